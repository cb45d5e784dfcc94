"""n-step returns: which decisions they sum, where and how they bootstrap, and what is stored for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from btr_tm.core.types import Transition
from btr_tm.replay.ring import Ring


class NStepPath(NamedTuple):
    """The decisions that the n-step return of each sampled transition sums."""

    rewards: Tensor  # (B, n) float32, zero from `length` on
    length: Tensor  # (B,) int64, 1..n
    terminated: Tensor  # (B,) bool, the race ended with the last of them
    end: Tensor  # (B,) int64, slot of the frame to bootstrap from
    slots: Tensor  # (B, n) int64, of the decisions; arbitrary from `length` on


def follow(ring: Ring, slot: Tensor, n_step: int) -> NStepPath:
    """Follow the starts after `slot` (B,) for up to `n_step` rewards.

    Stops before a slot that is no start (final frame of a race, newest frame) and before an action with which
    no earlier return may continue. The first action always counts.
    """
    steps = torch.arange(n_step, device=slot.device)
    slots = ring.after(slot[:, None], steps)  # (B, n)
    goes_on = (ring.rows["start"][slots] & ring.rows["continues"][slots]).long()
    goes_on[:, 0] = 1
    inside = goes_on.cumprod(1)
    length = inside.sum(1)
    rewards = torch.where(inside.bool(), ring.rows["reward"][slots], 0.0)
    last = slots.gather(1, length[:, None] - 1)[:, 0]
    return NStepPath(rewards, length, ring.rows["terminated"][last], ring.after(slot, length), slots)


class BootstrapExponent(Protocol):
    """The power of the discount with which a return bootstraps."""

    def __call__(self, ring: Ring, path: NStepPath) -> Tensor:
        """(B,) int64."""
        ...


def steps_summed(ring: Ring, path: NStepPath) -> Tensor:
    """The number of rewards that were summed."""
    return path.length


def n_if_truncated(ring: Ring, path: NStepPath) -> Tensor:
    """n where the race was truncated, however few rewards were summed (BTR's code)."""
    race_over = ~ring.rows["start"][path.end] & ~ring.is_newest_frame(path.end)
    return torch.where(race_over & ~path.terminated, path.rewards.shape[1], path.length)


class GammaAt(Protocol):
    """Decides from which moment the discount of a return is, and stores what it needs to know later."""

    @property
    def columns(self) -> Mapping[str, torch.dtype]:
        """Columns of the ring that it needs."""
        ...

    def stored(self, gamma: float, ring: Ring) -> Mapping[str, Tensor]:
        """Values (E,) of those columns for one decision of all cars; `gamma` is the present discount."""
        ...

    def __call__(self, gamma: float, ring: Ring, slot: Tensor) -> float | Tensor:
        """The discount of the transitions in `slot` (B,): a number, or (B, 1)."""
        ...


class GammaAtSampling:
    """A return has the discount of the moment at which it is sampled."""

    @property
    def columns(self) -> Mapping[str, torch.dtype]:
        return {}

    def stored(self, gamma: float, ring: Ring) -> Mapping[str, Tensor]:
        return {}

    def __call__(self, gamma: float, ring: Ring, slot: Tensor) -> float:
        return gamma


class GammaAtInsertion:
    """A return keeps the discount of the moment at which its first transition was stored (Linesight).

    Linesight stores a whole race at its end; here each decision is stored when it is made.
    """

    @property
    def columns(self) -> Mapping[str, torch.dtype]:
        return {"gamma": torch.float32}

    def stored(self, gamma: float, ring: Ring) -> Mapping[str, Tensor]:
        return {"gamma": torch.full((ring.cars,), gamma, device=ring.device)}

    def __call__(self, gamma: float, ring: Ring, slot: Tensor) -> Tensor:
        return ring.rows["gamma"][slot, None]


class Finish(Protocol):
    """Decides whether the transition into the finish is stored."""

    @property
    def slots_changed(self) -> int:
        """How many slots before the newest frame of a car it may still change."""
        ...

    def __call__(self, ring: Ring, transition: Transition) -> Tensor:
        """Which decisions (E,) are stored; called before the ring writes."""
        ...


class StoreFinish:
    """Every decision is stored (Linesight)."""

    @property
    def slots_changed(self) -> int:
        return 0

    def __call__(self, ring: Ring, transition: Transition) -> Tensor:
        return torch.ones(ring.cars, dtype=torch.bool, device=ring.device)


class DropFinish:
    """The decision that crosses the finish is lost, and the one before it ends the race (published runs).

    There the time that the lost decision took, at most 50 ms, is charged to the one before it; here it is
    lost with the decision.
    """

    @property
    def slots_changed(self) -> int:
        return 1

    def __call__(self, ring: Ring, transition: Transition) -> Tensor:
        finished = transition.terminated.to(ring.device)
        before = ring.slot(ring.cursor - 1)  # no start if the race has just begun
        ends = ring.rows["terminated"]
        ends.index_copy_(0, before, ends[before] | (finished & ring.rows["start"][before]))
        return ~finished
