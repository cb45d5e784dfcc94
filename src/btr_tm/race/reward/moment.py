"""What a reward may look at."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from btr_tm.race.car import CarState
from btr_tm.race.progress import Progress


class Moment(NamedTuple):
    """E cars at the time of a decision; finished cars have `progress.finish` applied and their exact time."""

    car: CarState
    progress: Progress
    time_ms: Tensor  # (E,) int64, race time
    points: Tensor  # (E, 2, 3) float32, first two line points in car axes, from `features.nearest_points`


class Reward(Protocol):
    """What a decision was worth, and a potential that shapes it."""

    def __call__(self, before: Moment, after: Moment, action: Tensor, finished: Tensor) -> Tensor:
        """Reward (E,) of `action` that led from `before` to `after`; `finished` (E,) bool."""
        ...

    def potential(self, moment: Moment) -> Tensor:
        """Phi (E,); replay adds gamma Phi(after) - Phi(before), with Phi = 0 once finished."""
        ...
