"""The usual infinite discounted horizon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.replay.horizon.segment import Return, Segment


def powers(gamma: float, count: int, upto: Tensor) -> Tensor:
    """gamma^j for j < `upto` (B,), 0 from there on: (B, count)."""
    steps = torch.arange(count, device=upto.device)
    return torch.where(steps < upto[:, None], torch.pow(gamma, steps), 0.0)


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
        weights = powers(gamma, segment.rewards.shape[1], segment.length)
        reward = (segment.rewards * weights).sum(1) + shaping
        return Return(reward, discount, no_clock, no_clock, weights)

    def stamp(self, floats: Tensor, clock: Tensor) -> Tensor:
        """The floats as they are: values do not depend on a clock."""
        return floats
