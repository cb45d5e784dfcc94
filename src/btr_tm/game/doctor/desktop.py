"""The links between us and a game in a window: what it shows, what it says, and whether it hears us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from btr_tm.envs.desktop.echo import HALF, PROMPT_S, Echo
from btr_tm.envs.desktop.protocols import NO_KEYS, Capture, Controls, GameLost, Keys, Reading, Timer
from btr_tm.envs.desktop.racing import Devices, Moment, Racing
from btr_tm.envs.desktop.stick import inverse, position
from btr_tm.game.doctor.diagnosis import Link, broken
from btr_tm.race import actions

PICTURES = 60
BUDGET_MS = 10.0  # for a picture: a fifth of a decision
RECORDS = 50
SLOWEST_HZ = 20.0  # of telemetry: a record for each decision
RESTARTS = 3
A_WHILE = 100  # decisions
TRIALS = 10  # of a key whose delay is measured
REST_S = 10.0  # within which a car comes to rest
STILL_S = 0.3  # with the same picture: it rests
LOOK_S = 0.01  # between two looks at the picture: as exact as its delay is known
EXACT = 0.05  # of the whole way, to which a steer is as meant
SWEEP = 20  # places of a stick at which a game is asked what it applies
HELD = 12  # times that a key is asked for while its echo is awaited
GAS: Keys = (1, 0, 0, 0)
TRIED: dict[str, Keys] = {
    "accelerate": GAS,
    "brake": (0, 1, 0, 0),
    "left": (1, 0, 1, 0),
    "right": (1, 0, 0, 1),
}
FOCUS = "click into the game's window, give its keys the usual bindings, and unplug other pads and wheels"


@dataclass
class Bench:
    """Races as a run would drive them, and the devices that the first link opens."""

    racing: Racing
    timer: Timer

    @property
    def devices(self) -> Devices:
        """Opened if they are not."""
        return self.racing.open()


def check_devices(bench: Bench) -> str:
    """The window is found, the telemetry is connected, and the controls can be used."""
    bench.devices.controls.release()
    return "the window, its telemetry and the controls are there"


def check_window(bench: Bench) -> str:
    """It is visible as a whole."""
    try:
        bench.devices.capture.begin()
    except GameLost as error:
        broken(str(error), "restore the window, put it in front, and move it onto one screen")
    return "visible as a whole"


def check_picture(bench: Bench) -> str:
    """Pictures are not black, and quick enough."""
    took_ms = []
    for _ in range(PICTURES):
        began_s = bench.timer.now()
        try:
            grey = bench.devices.capture.frame().grey
        except GameLost as error:
            broken(str(error), "choose windowed mode in the game, not full screen")
        took_ms.append(1000 * (bench.timer.now() - began_s))
        bench.timer.sleep(0.01)
    middle_ms = float(np.median(took_ms))
    if middle_ms > BUDGET_MS:
        broken(f"a picture takes {middle_ms:.1f} ms", "make the game's window smaller: 640 x 480 is enough")
    height, width = grey.shape
    return f"{width} x {height}, grey from {grey.min()} to {grey.max()}, in {middle_ms:.1f} ms"


def check_telemetry(bench: Bench) -> str:
    """Records come, often enough."""
    telemetry, limit_s = bench.devices.telemetry, bench.racing.limits.connect_s
    first = reading = telemetry.after(0, limit_s)
    while reading.number < first.number + RECORDS:
        reading = telemetry.after(reading.number, limit_s)
    rate = (reading.number - first.number) / max(1e-9, reading.at_s - first.at_s)
    if rate < SLOWEST_HZ:
        broken(f"{rate:.0f} records a second", "let the game draw more pictures: a lower quality, no limit")
    clock = "with" if reading.race_ms is not None else "without"
    return f"{rate:.0f} records a second, {clock} the clock of the race"


def check_restart(bench: Bench) -> str:
    """Races begin anew, each of several times."""
    for trial in range(RESTARTS):
        with _undone(bench):
            try:
                moment = bench.racing.begin_once()
            except GameLost as error:
                broken(f"the restart {trial + 1} of {RESTARTS}: {error}", FOCUS)
    return f"{RESTARTS} races began, the last at {_place(moment)}"


def check_echo(bench: Bench) -> str:
    """The game applies what is pressed, as its telemetry says: focus, bindings and device at once."""
    steers = []
    with _undone(bench):
        bench.racing.begin_once()
        for name, keys in TRIED.items():
            echo = Echo()
            for held in (keys, NO_KEYS):
                echo.hold(held, bench.timer.now())
                reading = _held(bench, held)
                if held[2:] != (0, 0):
                    steers.append(f"{reading.steer:+.2f}")
                try:
                    echo.check(reading)
                except GameLost as error:
                    broken(f"{name}: {error}", FOCUS)
    return f"{', '.join(TRIED)} are applied, and let go; left and right steer {' and '.join(steers)}"


def check_steering(bench: Bench) -> str:
    """The game applies the steer that is meant, whatever its dead zone and sensitivity."""
    if not bench.devices.controls.stick:
        return "a keyboard steers fully or not at all"
    ways = actions.ways(bench.racing.steer_levels)
    with _undone(bench):
        bench.racing.begin_once()
        meant = [sign * way for way in ways for sign in (-1, 1)]
        found = [(steer, _applied(bench, steer)) for steer in meant]
        other = [
            f"{got:+.2f} where {steer:+.2f} was meant" for steer, got in found if abs(got - steer) > EXACT
        ]
        if other:
            broken(f"the game applies a steer of {', '.join(other)}", _better_stick(bench))
    return f"applied as meant: {', '.join(f'{got:+.2f}' for _, got in found)}"


def _better_stick(bench: Bench) -> str:
    """How to mend it: the places of the stick that were measured to steer by quarters, to the right."""
    stick, ways = bench.devices.controls.stick, [(number + 1) / SWEEP for number in range(SWEEP)]
    applied = [_applied(bench, way) for way in ways]
    better = inverse([position(way, stick) for way in ways], applied)
    if better is None:
        return (
            "set the dead zone of the pad in the game to 0 and its sensitivity to the most: as it is, it "
            f"does not steer by every quarter (of {SWEEP} places of the stick it applies "
            f"{', '.join(f'{steer:.2f}' for steer in applied)})"
        )
    return f"env.game.controls.stick=[{','.join(f'{place:g}' for place in better)}], and ask the doctor again"


def _applied(bench: Bench, steer: float) -> float:
    """The steer that the game applies where `steer` is meant."""
    return _held(bench, (1, 0, max(-steer, 0.0), max(steer, 0.0))).steer


def _held(bench: Bench, keys: Keys) -> Reading:
    """What the game says once `keys` have been held for long enough."""
    for _ in range(HELD):  # said again and again, as in a race: a hand lets go if nobody does
        bench.devices.controls.hold(keys)
        bench.timer.sleep(2 * PROMPT_S / HELD)
    return bench.devices.telemetry.latest()


def check_delay(bench: Bench) -> str:
    """How long a key takes until the game says so, and until the picture of a car at rest changes."""
    telemetry, controls, capture = bench.devices
    with _undone(bench):
        bench.racing.begin_once()
        said_ms = []
        for trial in range(TRIALS):
            keys = GAS if trial % 2 else NO_KEYS  # the gas is held when a race begins
            controls.hold(keys)
            pressed_s, reading = bench.timer.now(), telemetry.latest()
            while (reading.gas > HALF) != bool(keys[0]):
                reading = telemetry.after(reading.number, PROMPT_S)
                if reading.at_s - pressed_s > PROMPT_S:
                    broken(f"the gas is not applied {1000 * PROMPT_S:.0f} ms after its key", FOCUS)
            said_ms.append(1000 * (reading.at_s - pressed_s))
            bench.timer.sleep(0.01 * (trial + 1))  # not in step with the pictures of the game
        shown_ms = _shown_ms(bench, capture, controls)
    shown = f"{shown_ms:.0f} ms until the car is seen to move" if shown_ms else "the picture never rests"
    middle_ms = np.median(said_ms)
    return (
        f"{middle_ms:.0f} ms until a key is in the telemetry (longest {max(said_ms):.0f}); {shown}; a driver "
        f"with obs=full_delay takes env.key_delay_ms={middle_ms:.0f}"
    )


def _shown_ms(bench: Bench, capture: Capture, controls: Controls) -> float:
    """From the gas key to another picture than that of a car at rest; 0 if the picture never rests."""
    controls.hold(NO_KEYS)
    until_s = bench.timer.now() + REST_S
    while capture.frame().unchanged_s < STILL_S:
        bench.timer.sleep(LOOK_S)
        if bench.timer.now() > until_s:
            return 0.0
    controls.hold(GAS)
    pressed_s = bench.timer.now()
    while capture.frame().unchanged_s > 0:
        bench.timer.sleep(LOOK_S)
        if bench.timer.now() - pressed_s > REST_S:
            return 0.0
    return 1000 * (bench.timer.now() - pressed_s)


def check_punctual(bench: Bench) -> str:
    """Decisions end when they are due."""
    with _undone(bench):
        bench.racing.begin_once()
        for _ in range(A_WHILE):
            bench.racing.decide(GAS)
    if bench.racing.timing.missed:
        broken(str(bench.racing.timing), "end other programs, and lower the quality of the game")
    return str(bench.racing.timing)


LINKS: tuple[Link[Bench], ...] = (
    Link("devices", (), check_devices),
    Link("window", ("devices",), check_window),
    Link("picture", ("window",), check_picture),
    Link("telemetry", ("devices",), check_telemetry),
    Link("restart", ("picture", "telemetry"), check_restart),
    Link("applied keys", ("restart",), check_echo),
    Link("steering", ("applied keys",), check_steering),
    Link("delay", ("applied keys",), check_delay),
    Link("punctual", ("applied keys",), check_punctual),
)


@contextmanager
def _undone(bench: Bench) -> Iterator[None]:
    """Whatever happens in there, no key stays pressed."""
    try:
        yield
    finally:
        bench.racing.rest()


def _place(moment: Moment) -> str:
    return "(" + ", ".join(f"{metres:.1f}" for metres in moment.reading.position) + ") m"
