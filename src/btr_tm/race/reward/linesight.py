"""The published reward: time, progress, speed and bonuses, shaped by the distance to the line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from btr_tm.race.car import forward_speed
from btr_tm.race.reward.bonus import Bonus, refuse_limits
from btr_tm.race.reward.moment import NO_COEFFICIENTS, Moment


@dataclass(frozen=True)
class LinesightReward:
    """per_ms * time + per_metre * progress + per_metre * speed_as_s * change of speed + bonuses (Linesight).

    The speed term, "as if the car went on at its new speed for `speed_as_s` seconds", counts only while the
    car rolls forwards and the race goes on; upstream Linesight sets it to 0. At 200 km/h a decision gives
    -0.06 + 0.028: rewards are negative below 432 km/h. Bonuses, by name, count only while the race goes on;
    one whose schedule is always 0 is not computed.
    """

    ending_pays: ClassVar[bool] = True

    per_ms: float
    per_metre: float
    speed_as_s: float
    potential_per_metre: float
    potential_ahead: float
    nearest_m: float
    farthest_m: float
    bonuses: Mapping[str, Bonus] = field(hash=False)
    active: tuple[Bonus, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        refuse_limits(self.nearest_m, self.farthest_m)
        object.__setattr__(self, "active", tuple(b for b in self.bonuses.values() if not b.off))

    def __call__(
        self,
        before: Moment,
        after: Moment,
        action: Tensor,
        finished: Tensor,
        coefficients: Tensor = NO_COEFFICIENTS,
    ) -> Tensor:
        metres = after.progress.metres - before.progress.metres
        milliseconds = after.time_ms - before.time_ms
        reward = self.per_ms * milliseconds + self.per_metre * metres
        faster = after.car.velocity.norm(dim=1) - before.car.velocity.norm(dim=1)
        counts = (forward_speed(after.car) > 0) & ~finished
        reward = reward + self.per_metre * self.speed_as_s * torch.where(counts, faster, 0.0)
        for coefficient, bonus in zip(coefficients.unbind(), self.active, strict=True):
            reward = reward + torch.where(finished, 0.0, coefficient * bonus(after, action))
        return reward

    def coefficients(self, frames: int) -> tuple[float, ...]:
        """Those of the active bonuses."""
        return tuple(bonus.coefficient(frames) for bonus in self.active)

    def potential(self, moment: Moment) -> Tensor:
        """Phi (E,): closeness to the line, and heading along it where `potential_ahead` is not 0."""
        distance = moment.points[:, 0].norm(dim=1).clamp(self.nearest_m, self.farthest_m)
        ahead = normalize(moment.points[:, 1] - moment.points[:, 0], dim=1)[:, 2]
        return self.potential_per_metre * distance + self.potential_ahead * (ahead - 1)
