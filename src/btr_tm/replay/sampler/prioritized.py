"""Prioritised sampling (Schaul et al. 2016, arXiv:1511.05952), proportional variant."""

from __future__ import annotations

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.core.schedule import Schedule
from btr_tm.replay.ring import Ring, Written
from btr_tm.replay.sampler.sampler import Drawn, new_leaves
from btr_tm.replay.sampler.statistics import priority_statistics
from btr_tm.replay.sumtree import SumTree


class Prioritized:
    """A transition is drawn with P_i proportional to (|delta_i| + epsilon)^alpha.

    New transitions get the largest priority seen so far. Importance-sampling weights are (N P_i)^-beta
    divided by the largest of the batch. Beyond The Rainbow (arXiv:2411.03820) states alpha 0.2, and its code
    uses the same number for beta; Schaul et al. let beta rise from 0.4 to 1, as a schedule can. Draws are
    stratified: one from each of B equal shares of the total.
    """

    def __init__(
        self,
        ring: Ring,
        generator: torch.Generator,
        clock: Clock,
        alpha: float,
        beta: Schedule,
        epsilon: float,
    ) -> None:
        self._ring, self._generator, self._clock = ring, generator, clock
        self._alpha, self._beta, self._epsilon = alpha, beta, epsilon
        self._tree = SumTree(ring.slots, ring.device)
        self._largest = torch.ones((), dtype=self._tree.leaves.dtype, device=ring.device)

    def added(self, written: Written) -> None:
        """New starts get the largest priority, slots that are not to be drawn get none."""
        first = torch.where(self._ring.trainable(written.start), self._largest, 0.0)
        self._tree.set(*new_leaves(written, first))

    def draw(self, batch_size: int) -> Drawn:
        """Slots (B,) and weights (B,), the largest 1."""
        tree, ring = self._tree, self._ring
        noise = torch.rand(batch_size, generator=self._generator, device=ring.device, dtype=tree.leaves.dtype)
        share = (torch.arange(batch_size, device=ring.device) + 1 - noise) / batch_size  # in (0, 1]
        total = tree.total
        slot = tree.find(share * total)
        probability = tree.leaves[slot] / total
        beta = self._beta(self._clock.frames)
        weight = (ring.train.count.sum() * probability) ** -beta
        return Drawn(slot, (weight / weight.max()).float())

    def index(self, slot: Tensor, clock: Tensor) -> Tensor:
        """The slots."""
        return slot

    def update(self, index: Tensor, priority: Tensor) -> None:
        """Absolute errors (B,); slots that may not be drawn any more keep no priority."""
        # An error that is not finite would spoil every sum above it; reporting it is up to the learner.
        error = priority.to(self._largest.dtype).nan_to_num(0.0, 0.0, 0.0)
        alive = self._tree.leaves[index] > 0
        leaf = torch.where(alive, (error + self._epsilon) ** self._alpha, 0.0)
        self._largest.copy_(torch.maximum(self._largest, leaf.max()))
        self._tree.set(index, leaf)

    def odds(self) -> Tensor:
        """The leaves of the tree."""
        return self._tree.leaves[: self._ring.slots]

    def measure(self) -> dict[str, Tensor | float]:
        """Figures on the priorities of what is held; a host sync."""
        return priority_statistics(self._tree.leaves, self._largest, self._beta(self._clock.frames))

    @property
    def state(self) -> dict[str, Tensor]:
        """Leaves and the largest priority; the sums follow from the leaves."""
        return {"leaves": self._tree.leaves, "largest": self._largest}

    def restored(self) -> None:
        """Recompute the sums."""
        self._tree.rebuild()
