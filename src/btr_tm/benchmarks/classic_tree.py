"""The sum tree of common prioritised replay, for comparison: numpy, binary, a Python loop over the samples.

Written from the description in Schaul et al. 2016 (arXiv:1511.05952, appendix B.2.1); no replay here uses it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


class ClassicTree:
    """`leaves` priorities, a power of two of them; node i has the children 2 i + 1 and 2 i + 2."""

    def __init__(self, leaves: int) -> None:
        assert leaves & (leaves - 1) == 0, leaves
        self.leaves = leaves
        self.nodes = np.zeros(2 * leaves - 1)

    @property
    def total(self) -> float:
        return float(self.nodes[0])

    def set(self, leaf: int, priority: float) -> None:
        """Write one leaf, and the change of it into all sums above."""
        node = leaf + self.leaves - 1
        change = priority - self.nodes[node]
        self.nodes[node] = priority
        while node > 0:
            node = (node - 1) // 2
            self.nodes[node] += change

    def find(self, mass: float) -> int:
        """The leaf at which the running sum reaches `mass`."""
        node = 0
        while node < self.leaves - 1:
            left = 2 * node + 1
            if mass <= self.nodes[left]:
                node = left
            else:
                mass -= self.nodes[left]
                node = left + 1
        return node - self.leaves + 1

    def draw(self, count: int, random: np.random.Generator) -> list[int]:
        """One leaf from each of `count` equal shares of the total."""
        share = self.total / count
        return [self.find(random.uniform(share * i, share * (i + 1))) for i in range(count)]

    def update(self, leaves: Iterable[int], priorities: Iterable[float]) -> None:
        """Set one after the other."""
        for leaf, priority in zip(leaves, priorities, strict=True):
            self.set(leaf, priority)
