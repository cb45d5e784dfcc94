"""The usual infinite discounted horizon."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.replay.horizon.segment import Return, Segment, n_step_return


@dataclass(frozen=True)
class Discounted:
    """R = sum_j gamma^j r_j, bootstrapped with gamma^length; gamma is scheduled over frames."""

    gamma: Callable[[int], float]
    clock: Clock
    decisions = math.inf
    endless = True  # only a discount below 1 keeps the return finite

    @property
    def current_gamma(self) -> float:
        return self.gamma(self.clock.frames)

    def __call__(self, segment: Segment, generator: torch.Generator) -> Return:
        """The return; `generator` is not used."""
        steps = torch.arange(segment.rewards.shape[1], device=segment.length.device)
        no_clock = torch.zeros_like(segment.potential)
        inside = steps < segment.length[:, None]
        return n_step_return(segment, inside, segment.terminated, no_clock, no_clock)

    def write_clock(self, floats: Tensor, clock: Tensor) -> Tensor:
        """The floats as they are: values do not depend on a clock."""
        return floats
