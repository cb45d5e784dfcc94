"""What drives a game in a window is made of: its telemetry, its controls, and pictures of its window.

Times named `at_s` are those of `time.perf_counter`, the only clock that is fine enough on every system.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

import numpy as np

from btr_tm.core.errors import UserError

Three = tuple[float, float, float]
# Accelerate, brake, left, right, as race.actions.KEYS: 0 or 1; a pad can hold left and right by a part
Keys = tuple[float, float, float, float]
NO_KEYS: Keys = (0, 0, 0, 0)
Button = Literal["restart", "confirm"]


class Timer(NamedTuple):
    """Time as it passes."""

    now: Callable[[], float]  # s
    sleep: Callable[[float], None]  # s


REAL_TIME = Timer(time.perf_counter, time.sleep)


class GameLost(UserError):
    """The game, its window or its telemetry is not what it should be, in one sentence; the race is void."""


class Reading(NamedTuple):
    """One record of a game's telemetry. SI units; world axes x, y up, z; None where a schema lacks it."""

    number: int  # counts the records that came, from 1
    at_s: float  # when it arrived
    position: Three
    speed: float  # m/s
    steer: float  # as the game applied it: -1 left to 1 right
    gas: float  # 0 to 1
    brake: float  # 0 to 1
    finished: bool  # the game shows a finish, of whatever race
    gear: float
    rpm: float
    race_ms: int | None = None  # 0 or less before the start
    velocity: Three | None = None  # m/s
    forward: Three | None = None  # unit vector
    up: Three | None = None  # unit vector
    checkpoints: int | None = None  # passed in this race
    slip: tuple[float, float, float, float] | None = None  # of each wheel, 0 none to 1
    flying_ms: float | None = None  # since a wheel last touched the ground
    map_id: str | None = None  # what the game calls the map that is driven


class Telemetry(Protocol):
    """What a game says about its car, read in the background."""

    def latest(self) -> Reading:
        """The newest record, of whatever age; GameLost if there is none, or no connection."""
        ...

    def after(self, number: int, limit_s: float) -> Reading:
        """The newest record with a number above `number`, waited for; GameLost if none comes in `limit_s`."""
        ...

    def close(self) -> None:
        """Read no more."""
        ...


class Controls(Protocol):
    """A keyboard or a pad that the game listens to."""

    @property
    def stick(self) -> tuple[float, ...]:
        """Where a stick is for each quarter of left and right, as `stick.position`; () for a keyboard."""
        ...

    def reaches_game(self) -> bool:
        """Whether the game would hear it now; GameLost if there is no game."""
        ...

    def hold(self, keys: Keys) -> None:
        """Hold these and no others; only what differs is sent. GameLost if they would not reach the game."""
        ...

    def tap(self, button: Button) -> None:
        """Press for as long as a game needs to notice, and let go; driving keys stay as they are."""
        ...

    def release(self) -> None:
        """Let go of everything; never fails, and may be called from anywhere."""
        ...

    def close(self) -> None:
        """Let go of everything and of the device."""
        ...


class Frame(NamedTuple):
    """One picture of the window."""

    grey: np.ndarray  # (H, W) uint8, of the size of the observation
    at_s: float  # just before it was taken
    unchanged_s: float  # for how long the window has shown the same


class Capture(Protocol):
    """Pictures of one window."""

    def begin(self) -> None:
        """Before a race: from here on the window must stay where it is; GameLost if it cannot be seen."""
        ...

    def frame(self) -> Frame:
        """What the window shows now; GameLost if it is not there as it was."""
        ...

    def close(self) -> None:
        """Take no more."""
        ...
