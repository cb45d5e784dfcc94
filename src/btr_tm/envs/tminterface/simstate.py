"""The state of a race as TMInterface saves it: the fields that we read, by their place in its bytes.

Places and types are those of `SimStateData` of the tminterface package, 1.0.2, little-endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import NamedTuple

import torch

from btr_tm.envs.tminterface.messages import LONGEST_STATE, ProtocolError
from btr_tm.race.car import CarState

LEAST_BYTES = 8356  # without checkpoints; 4 more for each state of one, 8 more for each time
WHEELS, WHEEL_BYTES, FIRST_WHEEL = 4, 764, 3816
PLAYER = 128  # flag: the player's part is filled in
CHECKPOINT_STATES = 8348  # how many (int32), then each (int32); then how many times, then each (2 x int32)

FIELDS: Mapping[str, tuple[int, str]] = {  # place, struct format
    "flags": (8, "I"),
    "rotation": (688, "9f"),  # row by row
    "position": (724, "3f"),
    "velocity": (736, "3f"),
    "angular_velocity": (760, "3f"),
    "gearbox_state": (2388, "i"),
    "rpm": (3112, "f"),
    "gear": (3128, "i"),
    "freewheeling": (3196, "i"),
    "race_time_ms": (7892, "i"),
    "checkpoints": (8024, "i"),
    "finished": (8032, "i"),
    "display_speed_kmh": (8036, "i"),
    "accelerate": (8292, "Ii"),  # an input event: time, and the value in the lower 24 bits
    "brake": (8300, "Ii"),
    "left": (8308, "Ii"),
    "right": (8316, "Ii"),
}
WHEEL_FIELDS: Mapping[str, tuple[int, str]] = {
    "damper_m": (180, "f"),
    "contact": (292, "i"),
    "material": (296, "H"),  # of 4 bytes, of which the upper two mean something else
    "sliding": (300, "i"),
}
# Materials of the game, 0 Concrete to 30 TurboRoulette, as race.car.CarState groups them.
ASPHALT, GRASS, DIRT, TURBO = (0, 1, 16, 18, 19), (2, 20), (5, 6, 8, 17), (7, 26)
OTHER = 4
SURFACES = {m: group for group, materials in enumerate((ASPHALT, GRASS, DIRT, TURBO)) for m in materials}
A_MATERIAL = (16, 2, 6, 7, 28)  # of each group: Asphalt, Grass, Dirt, Turbo, NotCollidable

_READ = {name: struct.Struct("<" + form).unpack_from for name, (_, form) in FIELDS.items()}
_READ_WHEEL = {name: struct.Struct("<" + form).unpack_from for name, (_, form) in WHEEL_FIELDS.items()}


class Wheel(NamedTuple):
    """One wheel; front left, front right, rear ones in the order of the game."""

    damper_m: float
    contact: bool
    material: int
    sliding: bool


class GameState(NamedTuple):
    """What we read of a saved state; SI units, world axes y up."""

    position: tuple[float, ...]
    rotation: tuple[float, ...]  # 9, row by row; its columns are the car's axes
    velocity: tuple[float, ...]
    angular_velocity: tuple[float, ...]
    gearbox_state: int
    gear: int
    rpm: float
    freewheeling: bool
    race_time_ms: int
    checkpoints: int  # passed
    finished: bool
    display_speed_kmh: int
    held: tuple[bool, ...]  # accelerate, brake, left, right, as the game has them
    wheels: tuple[Wheel, ...]


def decode(state: bytes) -> GameState:
    """The fields of `state`; ProtocolError for other sizes than it says itself, or numbers that are none."""
    _checkpoint_times(state)

    def read(name: str) -> tuple:
        return _READ[name](state, FIELDS[name][0])

    found = GameState(
        position=read("position"),
        rotation=read("rotation"),
        velocity=read("velocity"),
        angular_velocity=read("angular_velocity"),
        gearbox_state=read("gearbox_state")[0],
        gear=read("gear")[0],
        rpm=read("rpm")[0],
        freewheeling=read("freewheeling")[0] != 0,
        race_time_ms=read("race_time_ms")[0] if read("flags")[0] & PLAYER else 0,
        checkpoints=read("checkpoints")[0],
        finished=read("finished")[0] != 0,
        display_speed_kmh=read("display_speed_kmh")[0],
        held=tuple(read(key)[1] & 0xFFFFFF != 0 for key in ("accelerate", "brake", "left", "right")),
        wheels=tuple(_wheel(state, number) for number in range(WHEELS)),
    )
    dampers = (wheel.damper_m for wheel in found.wheels)
    numbers = (
        *found.position,
        *found.rotation,
        *found.velocity,
        *found.angular_velocity,
        found.rpm,
        *dampers,
    )
    if not all(map(math.isfinite, numbers)):
        raise ProtocolError("a saved state of the game holds numbers that are not finite")
    return found


def _wheel(state: bytes, number: int) -> Wheel:
    at = FIRST_WHEEL + number * WHEEL_BYTES
    values = [_READ_WHEEL[name](state, at + place)[0] for name, (place, _) in WHEEL_FIELDS.items()]
    damper_m, contact, material, sliding = values
    return Wheel(damper_m, contact != 0, material, sliding != 0)


def encode(game: GameState, checkpoint_times_ms: tuple[int, ...] = ()) -> bytes:
    """A state with those fields, zeros elsewhere: what a stand-in for the game sends."""
    state = bytearray(LEAST_BYTES)
    held = dict(zip(("accelerate", "brake", "left", "right"), game.held, strict=True))
    values = {name: value for name, value in game._asdict().items() if name in FIELDS}
    values |= {"flags": PLAYER} | {key: (0, int(down)) for key, down in held.items()}
    for name, (place, form) in FIELDS.items():
        value = values[name]
        struct.pack_into("<" + form, state, place, *(value if isinstance(value, tuple) else (value,)))
    for number, wheel in enumerate(game.wheels):
        for name, (place, form) in WHEEL_FIELDS.items():
            at = FIRST_WHEEL + number * WHEEL_BYTES + place
            struct.pack_into("<" + form, state, at, getattr(wheel, name))
    times = b"".join(struct.pack("<ii", time_ms, 0) for time_ms in checkpoint_times_ms)
    return bytes(state[: CHECKPOINT_STATES + 4]) + struct.pack("<i", len(checkpoint_times_ms)) + times


def car_of(game: GameState) -> CarState:
    """The same as tensors with one row."""
    wheels = torch.tensor([(w.sliding, w.contact, w.damper_m) for w in game.wheels], dtype=torch.float32).t()
    numbers = torch.tensor(
        [
            *game.position,
            *game.velocity,
            *game.angular_velocity,
            *game.rotation,
            game.gearbox_state,
            game.gear,
            game.rpm,
            game.freewheeling,
        ],
        dtype=torch.float32,
    )
    position, velocity, angular_velocity, rotation, rest = numbers.split((3, 3, 3, 9, 4))
    return CarState(
        position=position[None],
        rotation=rotation.view(1, 3, 3),
        velocity=velocity[None],
        angular_velocity=angular_velocity[None],
        wheel_sliding=wheels[None, 0],
        wheel_contact=wheels[None, 1],
        damper_m=wheels[None, 2],
        surface=torch.tensor([[SURFACES.get(wheel.material, OTHER) for wheel in game.wheels]]),
        gearbox_state=rest[0:1],
        gear=rest[1:2],
        rpm=rest[2:3],
        freewheeling=rest[3:4],
    )


def without_finish(state: bytes) -> bytes | None:
    """`state` with its last checkpoint, the finish, not passed: rewinding to it keeps the game in the race.

    None if it holds no checkpoint times.
    """
    place, count = _checkpoint_times(state)
    if not count:
        return None
    edited = bytearray(state)
    struct.pack_into("<i", edited, place + 8 * (count - 1), -1)
    return bytes(edited)


def _checkpoint_times(state: bytes) -> tuple[int, int]:
    """Place of the first time and how many there are; ProtocolError for a state of another size."""
    states = times = -1
    if LEAST_BYTES <= len(state) <= LONGEST_STATE:
        (states,) = struct.unpack_from("<i", state, CHECKPOINT_STATES)
        place = CHECKPOINT_STATES + 4 + 4 * states
        if states >= 0 and place + 4 <= len(state):
            (times,) = struct.unpack_from("<i", state, place)
            if times >= 0 and len(state) == place + 4 + 8 * times:
                return place + 4, times
    raise ProtocolError(
        f"a saved state of the game has {len(state):,} bytes, {states} checkpoints and {times} times, which "
        f"do not belong together; one without checkpoints has {LEAST_BYTES:,} bytes"
    )
