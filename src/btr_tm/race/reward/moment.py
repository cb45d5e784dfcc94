"""What a reward is computed from, and what every reward can do."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from btr_tm.race.car import CarState
from btr_tm.race.progress import Progress

NO_COEFFICIENTS = torch.zeros(0)


class Moment(NamedTuple):
    """E cars at the time of a decision; finished cars have `progress.finish` applied and their exact time."""

    car: CarState  # as the float lookup returns it
    progress: Progress
    time_ms: Tensor  # (E,) int64, race time
    points: Tensor  # (E, 2, 3) float32, first two line points in car axes, from the float lookup


class Reward(Protocol):
    """What a decision was worth, and a potential that shapes it.

    A class whose decisions cost more than they earn has `ending_pays = True`: where nothing is earned after
    the end of a race, the best policy would be to lose it soon. So lost cars do not end its races.
    """

    def __call__(
        self,
        before: Moment,
        after: Moment,
        action: Tensor,
        finished: Tensor,
        coefficients: Tensor = NO_COEFFICIENTS,
    ) -> Tensor:
        """Reward (E,) of `action`, (E,) or (E, K), that led from `before` to `after`; `finished` (E,) bool.

        `coefficients` (K,) hold what `self.coefficients` says at present.
        """
        ...

    def coefficients(self, frames: int) -> tuple[float, ...]:
        """K figures that change while driving, after `frames` decisions of the run; () for none."""
        ...

    def potential(self, moment: Moment) -> Tensor:
        """Phi (E,); replay adds gamma Phi(after) - Phi(before), with Phi = 0 once finished."""
        ...


def ending_pays(reward: Reward) -> bool:
    """Whether it is better to lose a race than to go on with it."""
    return bool(getattr(reward, "ending_pays", False))
