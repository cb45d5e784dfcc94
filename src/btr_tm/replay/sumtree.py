"""A sum tree with wide nodes: it has few levels, so that a batch needs few tensor operations."""

from __future__ import annotations

import torch
from torch import Tensor

WIDTH = 32  # children per node: 2**20 leaves are four levels; 16 and 64 are about as fast


class SumTree:
    """Non-negative leaves and the sums above them.

    Parents are recomputed from their children, never adjusted by differences: sums do not drift, and an index
    that occurs twice does no harm. Sums are float64 (float32 on devices without it), because a draw among
    2^20 leaves needs more than the 24 bits of a float32.
    """

    def __init__(self, leaves: int, device: torch.device) -> None:
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        self._levels: list[Tensor] = []  # from the leaves (nodes, WIDTH) up to the root (1, WIDTH)
        nodes = leaves
        while not self._levels or nodes > 1:
            nodes = -(-nodes // WIDTH)
            self._levels.append(torch.zeros(nodes, WIDTH, dtype=self._dtype, device=device))

    @property
    def leaves(self) -> Tensor:
        """All leaves, flat, with zeros at the end that fill the last node; a view."""
        return self._levels[0].view(-1)

    @property
    def levels(self) -> list[Tensor]:
        """Every tensor of the tree, leaves first."""
        return self._levels

    @property
    def total(self) -> Tensor:
        """Sum of all leaves, ()."""
        return self._levels[-1].sum()

    def set(self, index: Tensor, value: Tensor) -> None:
        """Write leaves (B,); where an index occurs several times its last value counts."""
        ordered, order = index.sort(stable=True)
        last = torch.searchsorted(ordered, index, right=True) - 1
        value = value.to(self._dtype)[order[last]]
        for level in self._levels:
            level.view(-1).index_copy_(0, index, value)
            index = index // WIDTH
            value = level.index_select(0, index).sum(1)

    def rebuild(self) -> None:
        """Recompute all sums from the leaves."""
        for below, level in zip(self._levels, self._levels[1:], strict=False):
            level.view(-1)[: len(below)] = below.sum(1)

    def find(self, mass: Tensor) -> Tensor:
        """The first leaf (B,) at which the running sum reaches `mass` (B,), 0 < mass <= total.

        Never returns a leaf that is zero, however sums are rounded.
        """
        node = torch.zeros_like(mass, dtype=torch.int64)
        for level in reversed(self._levels):
            upto = level.index_select(0, node).cumsum(1)  # (B, WIDTH)
            mass = torch.minimum(mass, upto[:, -1])[:, None]
            below = upto < mass
            mass = mass[:, 0] - torch.where(below, upto, 0.0).amax(1)
            node = node * WIDTH + below.sum(1)
        return node
