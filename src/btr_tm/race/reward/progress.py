"""The dense reward of `quickstart`: new metres of line, minus a little for time, shaped by speed."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from btr_tm.race.car import forward_speed
from btr_tm.race.reward.moment import NO_COEFFICIENTS, Moment


@dataclass(frozen=True)
class ProgressReward:
    """per_metre * metres of line gained + finish_bonus at the end - per_second * time taken.

    Gained means beyond the furthest point of this race so far: driving back and forth, or circling, earns
    nothing, and no sequence of decisions collects more than the length of the line. At 40 m/s a decision of
    50 ms is worth 0.19, three of them 0.57; at gamma 0.99 values are of order 20.

    The potential counts present speed as `speed_as_s` seconds of driving. Being a potential it leaves the
    best policy as it is (Ng et al. 1999), but pays the first decisions of a standing start at once: without
    it they gain centimetres, and learners were seen to stand at the line.
    """

    per_metre: float = 0.1
    per_second: float = 0.2
    finish_bonus: float = 1.0
    speed_as_s: float = 2.0

    def __call__(
        self,
        before: Moment,
        after: Moment,
        action: Tensor,
        finished: Tensor,
        coefficients: Tensor = NO_COEFFICIENTS,
    ) -> Tensor:
        gained_m = after.progress.furthest_metres - before.progress.furthest_metres
        taken_ms = after.time_ms - before.time_ms
        reward = self.per_metre * gained_m - (self.per_second / 1000) * taken_ms
        return reward + self.finish_bonus * finished

    def coefficients(self, frames: int) -> tuple[float, ...]:
        """None change."""
        return ()

    def potential(self, moment: Moment) -> Tensor:
        """Phi (E,): forward speed, worth the metres of `speed_as_s` seconds."""
        return (self.per_metre * self.speed_as_s) * forward_speed(moment.car).clamp(min=0.0)
