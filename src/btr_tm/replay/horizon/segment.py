"""What a horizon is given and what it answers."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Segment(NamedTuple):
    """A run of decisions of one race; rewards without shaping."""

    rewards: Tensor  # (B, n) float32, zero from `length` on
    length: Tensor  # (B,) int64, 1..n
    terminated: Tensor  # (B,) bool, the race ended with the last reward
    potential: Tensor  # (B,) float32, Phi at the start
    next_potential: Tensor  # (B,) float32, Phi after the last reward


class Return(NamedTuple):
    """An n-step return, shaping included."""

    reward: Tensor  # (B,) float32
    discount: Tensor  # (B,) float32, what the value after the segment is multiplied with
    clock: Tensor  # (B,) float32, mini-race clock at the start, in decisions
    next_clock: Tensor  # (B,) float32, after the last reward
    powers: Tensor  # (B, n) float32, what each reward was multiplied with; 0 for those that do not count


class Horizon(Protocol):
    """Turns rewards into a return, and tells the network the time where values depend on it."""

    def __call__(self, segment: Segment, generator: torch.Generator) -> Return:
        """The return of each segment."""
        ...

    def stamp(self, floats: Tensor, clock: Tensor) -> Tensor:
        """The floats (B, F) with the clock (B,) written where the network reads it; may change `floats`."""
        ...
