"""Linesight's variant of prioritised sampling; the published runs left it off (alpha 0)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.replay.ring import Ring, Written
from btr_tm.replay.sampler.sampler import Drawn, new_leaves
from btr_tm.replay.sampler.statistics import priority_statistics
from btr_tm.replay.sumtree import SumTree

FIRST = 0.4  # leaf of a new transition before the first sample
RATIO = 2.0  # leaf of a new transition afterwards, over the average leaf at the latest sample
WEIGHT = 0.5  # of all samples while some transitions still have their first leaf
REPLACED = 0.3  # how many first leaves each priority that comes back replaces: an approximation


class LinesightPrioritized:
    """P_i is proportional to (|delta_i| + epsilon)^alpha, delta the mean target minus the mean prediction.

    Weights are (N P_i)^-beta, not divided by the largest. A priority counts only if the transition was
    sampled before `latest_clock` of its mini-race (Linesight: 100 of 140 decisions): later values are small.
    """

    def __init__(
        self,
        ring: Ring,
        generator: torch.Generator,
        clock: Clock,
        alpha: float,
        beta: float,
        epsilon: float,
        latest_clock: float,
    ) -> None:
        self._ring, self._generator = ring, generator
        self._alpha, self._beta, self._epsilon = alpha, beta, epsilon
        self._latest_clock = latest_clock
        self._tree = SumTree(ring.slots + 1, ring.device)  # one more than slots: see `index`
        self._average = self._tree.leaves.new_full((), math.nan)  # NaN before the first sample
        self._waiting = self._tree.leaves.new_zeros(())

    def added(self, written: Written) -> None:
        """New starts get twice the average, or 0.4; slots that are not to be drawn get none."""
        unsampled, trainable = self._average.isnan(), self._ring.trainable(written.start)
        first = torch.where(unsampled, FIRST, RATIO * self._average)
        self._waiting += (trainable & unsampled).sum()
        self._tree.set(*new_leaves(written, torch.where(trainable, first, 0.0)))

    def draw(self, batch_size: int) -> Drawn:
        """Slots (B,) and weights (B,)."""
        tree, ring = self._tree, self._ring
        noise = torch.rand(batch_size, generator=self._generator, device=ring.device, dtype=tree.leaves.dtype)
        total, count = tree.total, ring.train.count.sum()
        slot = tree.find((1 - noise) * total)
        self._average.copy_(total / count)
        weight = (count * tree.leaves[slot] / total) ** -self._beta
        return Drawn(slot, torch.where(self._waiting > 0, WEIGHT, weight).float())

    def index(self, slot: Tensor, clock: Tensor) -> Tensor:
        """The slots; where the priority will not count, the one after the last, which is always empty."""
        return torch.where(clock < self._latest_clock, slot, self._ring.slots)

    def update(self, index: Tensor, priority: Tensor) -> None:
        """Absolute errors (B,); slots that may not be drawn any more keep no priority."""
        error = priority.to(self._average.dtype).nan_to_num(0.0, 0.0, 0.0)  # as in Prioritized
        leaf = (error + self._epsilon) ** self._alpha
        self._tree.set(index, torch.where(self._tree.leaves[index] > 0, leaf, 0.0))
        self._waiting -= REPLACED * (index < self._ring.slots).sum()

    def odds(self) -> Tensor:
        """The leaves of the tree."""
        return self._tree.leaves[: self._ring.slots]

    def measure(self) -> dict[str, Tensor | float]:
        """Figures on the priorities of what is held; a host sync."""
        new = torch.where(self._average.isnan(), FIRST, RATIO * self._average)
        return priority_statistics(self._tree.leaves, new, self._beta)

    @property
    def state(self) -> dict[str, Tensor]:
        """Leaves, average and counter; the sums follow from the leaves."""
        return {"leaves": self._tree.leaves, "average": self._average, "waiting": self._waiting}

    def restored(self) -> None:
        """Recompute the sums."""
        self._tree.rebuild()
