"""What a horizon is given, and the n-step returns that it makes of it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Segment(NamedTuple):
    """Consecutive decisions of one race; rewards without shaping."""

    rewards: Tensor  # (B, n) float32, zero from `length` on
    length: Tensor  # (B,) int64, 1..n
    terminated: Tensor  # (B,) bool, the race ended with the last reward
    potential: Tensor  # (B,) float32, Phi at the start
    next_potential: Tensor  # (B,) float32, Phi after the last reward
    gamma: float | Tensor  # discount per decision, one for all or (B, 1) float32
    exponent: Tensor  # (B,) int64, power of gamma in front of what follows; `length`, or a convention


class Return(NamedTuple):
    """An n-step return, shaping included."""

    reward: Tensor  # (B,) float32
    discount: Tensor  # (B,) float32, what the value after the segment is multiplied with
    clock: Tensor  # (B,) float32, mini-race clock at the start, in decisions
    next_clock: Tensor  # (B,) float32, after the last reward
    powers: Tensor  # (B, n) float32, what each reward was multiplied with; 0 beyond the end


class Horizon(Protocol):
    """Turns rewards into a return, and tells the network the time if values depend on it."""

    @property
    def current_gamma(self) -> float:
        """The discount per decision at this point of the run."""
        ...

    @property
    def decisions(self) -> float:
        """How far values look ahead; infinity without an end."""
        ...

    def __call__(self, segment: Segment, generator: torch.Generator) -> Return:
        """The return of each segment."""
        ...

    def write_clock(self, floats: Tensor, clock: Tensor) -> Tensor:
        """The floats (B, F) with the clock (B,) written where the network reads it; may change `floats`."""
        ...


def n_step_return(
    segment: Segment, inside: Tensor, over: Tensor, clock: Tensor, next_clock: Tensor
) -> Return:
    """R = sum_j gamma^j r_j over the columns `inside` (B, n), bootstrapped with gamma^exponent unless `over`.

    Shaping is gamma^exponent Phi' - Phi, and - Phi where it is over (Ng et al. 1999).
    """
    steps = torch.arange(segment.rewards.shape[1], device=inside.device)
    powers = torch.where(inside, torch.pow(segment.gamma, steps), 0.0)
    discount = torch.where(over, 0.0, torch.pow(segment.gamma, segment.exponent[:, None])[:, 0])
    shaping = discount * segment.next_potential - segment.potential
    reward = (segment.rewards * powers).sum(1) + shaping
    return Return(reward, discount, clock, next_clock, powers)
