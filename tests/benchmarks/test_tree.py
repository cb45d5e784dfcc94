"""The classic sum tree finds the same leaves as ours, and both as a running sum."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from btr_tm.benchmarks.classic_tree import ClassicTree
from btr_tm.benchmarks.timing import CPU, QUICK
from btr_tm.benchmarks.tree import tree_rows
from btr_tm.replay.sumtree import SumTree


def test_both_trees_find_what_a_running_sum_says() -> None:
    random = np.random.default_rng(3)
    priorities = random.random(64) * (random.random(64) < 0.7)
    classic, ours = ClassicTree(64), SumTree(64, CPU)
    classic.update(range(64), priorities)
    ours.set(torch.arange(64), torch.from_numpy(priorities))
    masses = random.random(200) * priorities.sum() * 0.999 + 1e-9
    expected = np.searchsorted(np.cumsum(priorities), masses)
    assert [classic.find(mass) for mass in masses] == expected.tolist()
    assert ours.find(torch.from_numpy(masses)).tolist() == expected.tolist()


def test_a_priority_that_is_written_again_replaces_the_first() -> None:
    tree = ClassicTree(4)
    tree.update([1, 2, 1], [5.0, 2.0, 1.0])
    assert tree.total == 3.0 and tree.nodes.tolist() == [3.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0]


def test_the_row_stands_beside_the_classic_tree() -> None:
    rows = tree_rows(dataclasses.replace(QUICK, rounds=1, replay_rows=128), CPU)
    assert [row.beside for row in rows] == ["binary numpy tree"] * 2
    assert all(row.ours > 0 and row.theirs > 0 for row in rows)
