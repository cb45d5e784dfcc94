"""What a game sends during a race, and what a driver says to it: transcripts without a game."""

from __future__ import annotations

import random
import struct
from typing import NamedTuple

from btr_tm.envs.tminterface.machine import Finish, Machine, Moment, Settings
from btr_tm.envs.tminterface.messages import BY_NAME, decode_fields, decode_number, encode, encode_fields
from btr_tm.envs.tminterface.simstate import GameState, Wheel, car_of, decode
from btr_tm.envs.tminterface.simstate import encode as encode_state


def settings(width: int = 0, height: int = 0, period_ms: int = 50, map: str = "My map") -> Settings:
    return Settings(map, 32.0, 5, period_ms, width, height, 2, 600.0)


KINDS = {"floats": settings(), "pictures": settings(4, 3), "ticks": settings(4, 3, period_ms=10)}
CAR = GameState(
    position=(512.0, 10.0, 300.5),
    rotation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    velocity=(0.5, 0.0, 20.0),
    angular_velocity=(0.0, 0.1, 0.0),
    gearbox_state=2,
    gear=3,
    rpm=7500.0,
    freewheeling=True,
    race_time_ms=0,
    checkpoints=0,
    finished=False,
    display_speed_kmh=72,
    held=(True, False, True, False),
    wheels=(
        Wheel(0.01, True, 16, False),
        Wheel(0.02, True, 2, True),
        Wheel(0.03, True, 6, False),
        Wheel(0.04, False, 26, False),
    ),
)


def state(time_ms: int, *times_ms: int) -> bytes:
    """The answer to GET_SIMULATION_STATE."""
    game = CAR._replace(race_time_ms=time_ms, checkpoints=len(times_ms))
    return encode_fields(BY_NAME["GET_SIMULATION_STATE"].answer, encode_state(game, times_ms))


def step(time_ms: int) -> bytes:
    return encode("RUN_STEP_SYNC", time_ms)


def picture(of: Settings) -> bytes:
    pixels = bytes(range(4 * of.width * of.height))
    return encode("REQUESTED_FRAME_SYNC", pixels) if of.width else b""


def passed(count: int) -> bytes:
    return encode("CHECKPOINT_COUNT_CHANGED_SYNC", count, 2)


def decision(of: Settings, time_ms: int) -> bytes:
    """All ticks to the next decision."""
    ticks = range(time_ms - 50 + of.period_ms, time_ms, of.period_ms)
    return b"".join(map(step, ticks)) + step(time_ms) + state(time_ms) + picture(of)


def race(of: Settings, hello: bool = True) -> bytes:
    """Connection, countdown, four decisions, a finish at 230 ms, and the first decision of the next race."""
    greeting = encode("HELLO", 1, "0.1", "2.2.1", 32) if hello else b""
    menus = encode_fields(BY_NAME["IS_IN_MENUS"].answer, 1)
    start = step(-100) + step(-50) + step(0) + state(0) + picture(of)
    ticks = b"".join(map(step, range(210, 230, 10))) if of.period_ms == 10 else b""
    drive = decision(of, 50) + passed(1) + b"".join(decision(of, t) for t in (100, 150, 200)) + ticks
    finish = passed(2) + state(230, 90, 230)
    return greeting + encode("ON_CONNECT_SYNC") + menus + start + drive + finish + step(250) + picture(of)


class Starved(Exception):
    """No more bytes."""


class Played(NamedTuple):
    """What came of a stream."""

    met: list[Moment | Finish]
    said: bytes


def play(of: Settings, stream: bytes, piece: int = 0) -> Played:
    """Drive by `stream`, in pieces of that size, or of random ones; ends where the stream does."""
    machine, met, said = Machine(of), [], bytearray()
    draw, at = random.Random(len(stream)), 0
    actions = [(1, 0, 0, 0)] * (5 if of.period_ms == 10 else 1)

    def run(talk):
        nonlocal at
        data = None
        while True:
            try:
                said.extend(talk.send(data))
            except StopIteration as end:
                said.extend(machine.take_output())
                return end.value
            size = piece or draw.choice((1, 4, 7, 100, 10_000))
            data, at = stream[at : at + size], at + size
            if not data:
                raise Starved

    try:
        run(machine.connect())
        met.append(run(machine.begin()))
        while True:
            over = isinstance(met[-1], Finish)
            met.append(run(machine.begin() if over else machine.decide(actions)))
            car_of(decode(met[-1].state))
    except Starved:
        return Played(met, bytes(said))


def names(said: bytes) -> list[str]:
    """The messages of the driver, echoes as the number alone."""
    found, at = [], 0
    while at < len(said):
        (number,) = struct.unpack_from("<i", said, at)
        if number <= 5:
            found.append(str(number))
            at += 4
            continue
        message = decode_number(said[at : at + 4], "driver", "")
        decoded = decode_fields(message.fields, said, at + 4, 0, "")
        found.append(message.name)
        at += 4 + decoded.size
    return found
