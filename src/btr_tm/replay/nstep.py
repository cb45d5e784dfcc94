"""Finds, at sampling time, how many rewards an n-step return sums and where it ends."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from btr_tm.replay.ring import Ring


class Reach(NamedTuple):
    """The run of decisions behind each sampled transition."""

    rewards: Tensor  # (B, n) float32, zero from `length` on
    length: Tensor  # (B,) int64, 1..n
    terminated: Tensor  # (B,) bool, the race ended with the last of them
    end: Tensor  # (B,) int64, slot of the frame to bootstrap from
    path: Tensor  # (B, n) int64, slots of the decisions; arbitrary from `length` on


def reach(ring: Ring, slot: Tensor, n_step: int) -> Reach:
    """Follow the starts after `slot` (B,) for up to `n_step` rewards.

    Stops before a slot that is no start (final frame of a race, newest frame) and before an action that
    returns may not run through. The first action always counts.
    """
    steps = torch.arange(n_step, device=slot.device)
    path = ring.after(slot[:, None], steps)  # (B, n)
    goes_on = (ring.rows["start"][path] & ring.rows["through"][path]).long()
    goes_on[:, 0] = 1
    inside = goes_on.cumprod(1)
    length = inside.sum(1)
    rewards = torch.where(inside.bool(), ring.rows["reward"][path], 0.0)
    last = path.gather(1, length[:, None] - 1)[:, 0]
    return Reach(rewards, length, ring.rows["terminated"][last], ring.after(slot, length), path)


class Exponent(Protocol):
    """With which power of the discount a return bootstraps."""

    def __call__(self, ring: Ring, run: Reach) -> Tensor:
        """(B,) int64."""
        ...


def steps_summed(ring: Ring, run: Reach) -> Tensor:
    """As many as rewards were summed."""
    return run.length


def n_if_truncated(ring: Ring, run: Reach) -> Tensor:
    """n where the race was truncated, however few rewards were summed (BTR's code)."""
    race_over = ~ring.rows["start"][run.end] & ~ring.is_newest_frame(run.end)
    return torch.where(race_over & ~run.terminated, run.rewards.shape[1], run.length)
