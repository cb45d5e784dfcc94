"""The sum tree against a flat array."""

from __future__ import annotations

import pytest
import torch

from btr_tm.replay.sumtree import WIDTH, SumTree

CPU = torch.device("cpu")


def tree_of(*leaves: float) -> SumTree:
    tree = SumTree(len(leaves), CPU)
    tree.set(torch.arange(len(leaves)), torch.tensor(leaves))
    return tree


def find(tree: SumTree, *mass: float) -> list[int]:
    return tree.find(torch.tensor(mass, dtype=torch.float64)).tolist()


def test_known_masses() -> None:
    """Leaves (1,2,3,4): mass 2.5 -> leaf 1, 7.5 -> leaf 3, exactly 3.0 -> leaf 1."""
    assert find(tree_of(1, 2, 3, 4), 2.5, 7.5, 3.0) == [1, 3, 1]


@pytest.mark.parametrize("leaves", [1, WIDTH - 1, WIDTH, WIDTH + 1, 1000, WIDTH**3 + 5])
def test_finds_what_a_flat_array_finds(leaves: int) -> None:
    generator = torch.Generator().manual_seed(leaves)
    flat = torch.zeros(leaves, dtype=torch.float64)
    tree = SumTree(leaves, CPU)
    for _ in range(5):
        index = torch.randperm(leaves, generator=generator)[: max(1, leaves // 3)]
        value = torch.randint(0, 4, index.shape, generator=generator).double()  # integers: sums are exact
        tree.set(index, value)
        flat[index] = value
        assert tree.total == flat.sum()
        for below, level in zip(tree.levels, tree.levels[1:], strict=False):
            assert torch.equal(level.view(-1)[: len(below)], below.sum(1))
        if flat.sum() > 0:
            mass = (1 - torch.rand(200, generator=generator, dtype=torch.float64)) * flat.sum()
            assert torch.equal(tree.find(mass), torch.searchsorted(flat.cumsum(0), mass))


def test_last_value_of_a_repeated_index_counts() -> None:
    tree = tree_of(*[1.0] * 40)
    tree.set(torch.tensor([7, 3, 7, 30, 7]), torch.tensor([5.0, 2.0, 6.0, 3.0, 0.5]))
    assert tree.leaves[[3, 7, 30]].tolist() == [2.0, 0.5, 3.0]
    assert tree.total == tree.leaves.sum() == 37 + 5.5


def test_sums_are_single_where_the_device_has_no_double(monkeypatch) -> None:
    made = []
    monkeypatch.setattr(torch, "zeros", lambda *shape, dtype, device: made.append((device.type, dtype)))
    for device in ("mps", "cpu"):
        SumTree(WIDTH, torch.device(device))
    assert made == [("mps", torch.float32), ("cpu", torch.float64)]


def test_never_answers_an_empty_leaf() -> None:
    """Masses at and around every edge, with sums that do round."""
    generator = torch.Generator().manual_seed(0)
    tree = SumTree(600, CPU)
    index = torch.randperm(600, generator=generator)[:200]
    tree.set(index, torch.rand(200, generator=generator) ** 8 + 1e-12)
    edges = tree.leaves.cumsum(0)
    edges = edges[edges > 0]
    for mass in (edges, edges * (1 + 1e-15), edges * (1 - 1e-15), tree.total.expand(4) * 1.001):
        assert bool((tree.leaves[tree.find(mass)] > 0).all())


def test_rebuild_restores_the_sums() -> None:
    tree = tree_of(*range(1, 301))
    leaves = tree.leaves.clone()
    other = SumTree(300, CPU)
    other.leaves.copy_(leaves)
    other.rebuild()
    for a, b in zip(tree.levels, other.levels, strict=True):
        assert torch.equal(a, b)
