"""Extra terms of Linesight's reward that pay for ways of driving, each times a coefficient over frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.schedule import Linear, Schedule
from btr_tm.race.actions import only_gas
from btr_tm.race.car import forward_speed, lateral_speed
from btr_tm.race.reward.moment import Moment

# Where 20 |v_x| over this figure is 2, a slide on asphalt is best: [km/h forwards, figure], held outside.
_SLIDE_TABLE = ((0.0, 80.0), (100.0, 80.0), (200.0, 75.0), (300.0, 67.0), (400.0, 60.0), (500.0, 55.0))


class Bonus(Protocol):
    """A reward per decision that is scaled by a schedule."""

    off: bool  # the coefficient is always 0: nothing is computed

    def coefficient(self, frames: int) -> float:
        """What the amount is multiplied with after `frames` decisions of the run."""
        ...

    def __call__(self, after: Moment, action: Tensor) -> Tensor:
        """The amount (E,) for `action` (E,) or (E, K) that led to `after`."""
        ...


@dataclass(frozen=True)
class _Scheduled:
    """`points` are [frames, coefficient] joined by straight lines, `speed` multiplies the frames."""

    points: Sequence[Sequence[float]]
    speed: float
    coefficient: Schedule = field(init=False, repr=False, compare=False)
    off: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficient", Linear(self.points, self.speed))
        object.__setattr__(self, "off", all(value == 0 for _, value in self.points))


class Speedslide(_Scheduled):
    """1 for a perfect slide with four wheels down, falling to 0 for none or twice as much (Linesight)."""

    def __call__(self, after: Moment, action: Tensor) -> Tensor:
        ideal = _interpolate(3.6 * forward_speed(after.car))
        excess = 20 * lateral_speed(after.car).abs() - ideal
        quality = (excess / ideal).clamp(min=0.0)
        down = after.car.wheel_contact.sum(1) == 4
        return torch.where(down, (1 - (quality - 1).abs()).clamp(min=0.0), 0.0)


@dataclass(frozen=True)
class Neoslide(_Scheduled):
    """1 while the car moves sideways by 2 m/s or more (Linesight)."""

    from_m_s: float = 2.0

    def __call__(self, after: Moment, action: Tensor) -> Tensor:
        return (lateral_speed(after.car).abs() >= self.from_m_s).to(torch.float32)


class Kamikaze(_Scheduled):
    """1 for full gas, in every tick of a block, and 1 with at most one wheel down (Linesight).

    The action is the one that led here. Linesight's code takes the one chosen next, which is not known
    when this reward is computed.
    """

    def __call__(self, after: Moment, action: Tensor) -> Tensor:
        gas = only_gas(action.reshape(len(action), -1)).all(1)
        return (gas | (after.car.wheel_contact.sum(1) <= 1)).to(torch.float32)


@dataclass(frozen=True)
class CloseToLine(_Scheduled):
    """The distance to the current line point within limits, in metres (Linesight, `close_to_vcp`)."""

    nearest_m: float = 5.0
    farthest_m: float = 25.0

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_limits(self.nearest_m, self.farthest_m)

    def __call__(self, after: Moment, action: Tensor) -> Tensor:
        return after.points[:, 0].norm(dim=1).clamp(self.nearest_m, self.farthest_m)


def refuse_limits(nearest_m: float, farthest_m: float) -> None:
    """Raise UserError for limits between which no distance lies: what depends on it would be constant."""
    if not 0 <= nearest_m < farthest_m:
        raise UserError(
            f"nearest_m of the reward must be from 0 to below farthest_m, got {nearest_m} and {farthest_m}"
        )


def _interpolate(km_h: Tensor) -> Tensor:
    """_SLIDE_TABLE at speeds (E,), without a lookup: that would cost more on a GPU."""
    value = torch.full_like(km_h, _SLIDE_TABLE[0][1])
    for (left, low), (right, high) in zip(_SLIDE_TABLE, _SLIDE_TABLE[1:], strict=False):
        value = value + (high - low) * ((km_h - left) / (right - left)).clamp(0.0, 1.0)
    return value
