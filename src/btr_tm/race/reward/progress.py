"""The dense reward from which `quickstart` learns: new metres of line, minus a little for time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from btr_tm.race.reward.moment import Moment


@dataclass(frozen=True)
class ProgressReward:
    """per_metre * metres of line gained + finish_bonus at the end - per_second * time taken.

    Gained means beyond the furthest point of this race so far: driving back and forth, or circling, earns
    nothing, and no sequence of decisions collects more than the length of the line. At 40 m/s a decision of
    50 ms is worth 0.035, three of them 0.1; at gamma 0.99 values are of order 3. Driving slower than
    per_second / per_metre = 5 m/s costs more than it earns.
    """

    per_metre: float = 0.02
    per_second: float = 0.1
    finish_bonus: float = 1.0

    def __call__(self, before: Moment, after: Moment, action: Tensor, finished: Tensor) -> Tensor:
        gained_m = after.progress.furthest_metres - before.progress.furthest_metres
        taken_ms = after.time_ms - before.time_ms
        reward = self.per_metre * gained_m - (self.per_second / 1000) * taken_ms
        return reward + self.finish_bonus * finished

    def potential(self, moment: Moment) -> Tensor:
        """None: the reward is dense already."""
        return torch.zeros_like(moment.progress.metres)
