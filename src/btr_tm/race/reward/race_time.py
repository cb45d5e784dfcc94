"""The reward of race time alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from btr_tm.race.car import forward_speed
from btr_tm.race.reward.moment import NO_COEFFICIENTS, Moment


@dataclass(frozen=True)
class RaceTimeReward:
    """-per_second * time taken, and nothing else: the undiscounted sum is -per_second * race time.

    Discounted by gamma, a race of n decisions is worth the more the smaller n is, so that for every gamma the
    fastest driver from a start is the best one. A decision of 50 ms costs 0.05; values stay above
    -0.05 / (1 - gamma): -5 at 0.99, -17 at 0.997. A race that is given up needs no penalty: it is a
    truncation, from which a return bootstraps as if the race went on, and a car that stands or has fallen is
    worth that bound, less than any that will finish.

    The potential is where the car would be in `speed_as_s` seconds at its present speed, in metres of line,
    times `potential_per_metre`. Being a potential it leaves the best policy as it is (Ng et al. 1999); with 0
    there is none.
    """

    ending_pays: ClassVar[bool] = True

    per_second: float
    potential_per_metre: float
    speed_as_s: float

    def __call__(
        self,
        before: Moment,
        after: Moment,
        action: Tensor,
        finished: Tensor,
        coefficients: Tensor = NO_COEFFICIENTS,
    ) -> Tensor:
        return (-self.per_second / 1000) * (after.time_ms - before.time_ms)

    def coefficients(self, frames: int) -> tuple[float, ...]:
        """None change."""
        return ()

    def potential(self, moment: Moment) -> Tensor:
        """Phi (E,): metres of line behind the car, with those that its speed is worth."""
        coming_m = self.speed_as_s * forward_speed(moment.car).clamp(min=0.0)
        return self.potential_per_metre * (moment.progress.metres + coming_m)
