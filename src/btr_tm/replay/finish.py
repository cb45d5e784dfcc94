"""Whether the transition into the finish is stored."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from btr_tm.core.types import Transition
from btr_tm.replay.ring import Ring


class Finish(Protocol):
    """Says which decisions are stored."""

    @property
    def unsettled(self) -> int:
        """How many slots behind the newest frame of a car may still change."""
        ...

    def __call__(self, ring: Ring, transition: Transition) -> Tensor:
        """(E,) bool; called before the ring writes."""
        ...


class StoreFinish:
    """Every decision is stored (Linesight)."""

    @property
    def unsettled(self) -> int:
        return 0

    def __call__(self, ring: Ring, transition: Transition) -> Tensor:
        return torch.ones(ring.cars, dtype=torch.bool, device=ring.device)


class DropFinish:
    """The decision that crosses the finish is lost, and the one before it ends the race (published runs).

    There the time that the lost decision took, at most 50 ms, is charged to the one before it; here it is
    lost with the decision.
    """

    @property
    def unsettled(self) -> int:
        return 1

    def __call__(self, ring: Ring, transition: Transition) -> Tensor:
        finished = transition.terminated.to(ring.device)
        before = ring.slot(ring.cursor - 1)  # no start if the race has just begun
        ends = ring.rows["terminated"]
        ends.index_copy_(0, before, ends[before] | (finished & ring.rows["start"][before]))
        return ~finished
