"""The usual infinite discounted horizon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.replay.horizon.segment import Return, Segment


def summed(rewards: Tensor, gamma: float) -> Tensor:
    """sum_j gamma^j r_j over the columns of `rewards` (B, n)."""
    powers = torch.pow(gamma, torch.arange(rewards.shape[1], device=rewards.device))
    return (rewards * powers).sum(1)


@dataclass(frozen=True)
class Discounted:
    """R = sum_j gamma^j r_j, bootstrapped with gamma^length; gamma is scheduled over frames."""

    gamma: Callable[[int], float]
    clock: Clock

    def __call__(self, segment: Segment, generator: torch.Generator) -> Return:
        """The return; `generator` is not used."""
        gamma = self.gamma(self.clock.frames)
        discount = torch.where(segment.terminated, 0.0, torch.pow(gamma, segment.length))
        shaping = discount * segment.next_potential - segment.potential
        no_clock = torch.zeros_like(segment.potential)
        return Return(summed(segment.rewards, gamma) + shaping, discount, no_clock, no_clock)

    def stamp(self, floats: Tensor, clock: Tensor) -> Tensor:
        """The floats as they are: values do not depend on a clock."""
        return floats
