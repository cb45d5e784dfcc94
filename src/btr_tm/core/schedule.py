"""Values that change while driving: frozen callables `frames -> float`.

Points are [frame, value] pairs that start at frame 0; the last value is held. `speed` multiplies the frames
of all points, so that one number makes a whole set of schedules slower.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from btr_tm.core.errors import UserError


class Schedule(Protocol):
    """A value over the frames of a run."""

    def __call__(self, frames: int) -> float: ...


@dataclass(frozen=True)
class Constant:
    """The same value for ever."""

    value: float

    def __call__(self, frames: int) -> float:
        return self.value


def _are_numbers(point: object, count: int) -> bool:
    """`point` is a sequence of `count` numbers; text is not."""
    if not isinstance(point, Sequence) or isinstance(point, str) or len(point) != count:
        return False
    return all(isinstance(number, int | float) for number in point)


@dataclass(frozen=True)
class _Points:
    """Finds the two points around a frame; subclasses say what is between them."""

    points: Sequence[Sequence[float]]
    speed: float = 1.0

    def __post_init__(self) -> None:
        odd = [point for point in self.points if not _are_numbers(point, 2)]
        if odd:
            raise UserError(f"schedule points must be pairs [frame, value], got {odd[0]}")
        frames = [point[0] for point in self.points]
        if not frames or frames[0] != 0:
            raise UserError(f"the first point of a schedule must be at frame 0, got {self.points}")
        if any(later <= earlier for earlier, later in zip(frames, frames[1:], strict=False)):
            raise UserError(f"the frames of a schedule must increase, got {frames}")
        if self.speed <= 0:
            raise UserError(f"the speed of a schedule must be larger than 0, got {self.speed}")

    def __call__(self, frames: int) -> float:
        at = [point[0] * self.speed for point in self.points]
        right = bisect_right(at, frames)
        if right == len(at):
            return float(self.points[-1][1])
        left = max(right - 1, 0)
        share = (frames - at[left]) / (at[right] - at[left]) if right > left else 0.0
        return self.between(float(self.points[left][1]), float(self.points[right][1]), share)

    def between(self, left: float, right: float, share: float) -> float:
        raise NotImplementedError


class Linear(_Points):
    """Straight lines between the points."""

    def between(self, left: float, right: float, share: float) -> float:
        return left + (right - left) * share


class Exponential(_Points):
    """Straight lines between the points on a logarithmic scale; all values above 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        values = [point[1] for point in self.points]
        if min(values) <= 0:
            raise UserError(
                f"exponential schedules need values larger than 0, got {values}; use a linear one"
            )

    def between(self, left: float, right: float, share: float) -> float:
        return math.exp(math.log(left) + (math.log(right) - math.log(left)) * share)


class Staircase(_Points):
    """Each value is held until the next point."""

    def between(self, left: float, right: float, share: float) -> float:
        return left


@dataclass(frozen=True)
class Decay:
    """The gap to `end` shrinks by 1 / `constant_frames` with every frame; `after` from `stop_frames` on.

    BTR's epsilon (paper code): start 1, end 0.01, constant 2e6 decisions, 0 after half of the run. The
    paper's text calls it a decay over 8 million emulator frames; at that point epsilon is 0.374.
    """

    start: float
    end: float
    constant_frames: float
    stop_frames: float
    after: float
    speed: float

    def __post_init__(self) -> None:
        if self.constant_frames <= 1 or self.speed <= 0:
            raise UserError(
                f"constant_frames must be larger than 1 and speed larger than 0, got {self.constant_frames} "
                f"and {self.speed}; within constant_frames frames the gap to the end falls to 37 %"
            )

    def __call__(self, frames: int) -> float:
        frames_at_speed_one = frames / self.speed
        if frames_at_speed_one >= self.stop_frames:
            return self.after
        kept = math.exp(frames_at_speed_one * math.log1p(-1.0 / self.constant_frames))
        return self.end + (self.start - self.end) * kept


class ReplaySize(NamedTuple):
    """What a replay holds at most, and what it must hold for learning to go on; in transitions."""

    capacity: int
    start_learning: int


@dataclass(frozen=True)
class ReplaySizeSchedule:
    """Steps [frame, capacity, start_learning], each held until the next; capacities never shrink.

    Linesight's: [[0, 50000, 20000], [5000000, 100000, 75000], [7000000, 200000, 150000]].
    """

    points: Sequence[Sequence[float]]
    speed: float

    def __post_init__(self) -> None:
        odd = [point for point in self.points if not _are_numbers(point, 3)]
        if odd:
            raise UserError(
                f"steps of the replay's size must be triples [frame, capacity, start_learning], got {odd[0]}"
            )
        capacities = Staircase([point[:2] for point in self.points], self.speed).points
        if any(later[1] < earlier[1] for earlier, later in zip(capacities, capacities[1:], strict=False)):
            raise UserError(f"the capacity of a replay must never shrink, got {self.points}")
        small = [point for point in self.points if not 0 <= point[2] <= point[1]]
        if small:
            raise UserError(f"start_learning must be from 0 to the capacity, got the step {list(small[0])}")

    def __call__(self, frames: int) -> ReplaySize:
        held = bisect_right([point[0] * self.speed for point in self.points], frames) - 1
        return ReplaySize(int(self.points[held][1]), int(self.points[held][2]))

    @property
    def largest(self) -> int:
        """The capacity that storage is needed for."""
        return int(self.points[-1][1])
