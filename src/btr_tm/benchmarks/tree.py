"""Drawing by priority: our sum tree beside the one of common prioritised replay."""

from __future__ import annotations

import numpy as np
import torch

from btr_tm.benchmarks.classic_tree import ClassicTree
from btr_tm.benchmarks.row import Beside, Row, duration_row
from btr_tm.benchmarks.timing import Effort, Subject, interleave
from btr_tm.replay.sumtree import SumTree

BATCHES = (32, 256)
OURS, CLASSIC = "ours", "binary numpy tree"
CALLS = 10  # per repetition


def tree_rows(effort: Effort, device: torch.device) -> list[Row]:
    """Draw a batch and write as many priorities, among `effort.replay_rows` leaves (a power of two)."""
    leaves = effort.replay_rows
    priorities = np.random.default_rng(0).random(leaves) + 0.01
    classic, ours = ClassicTree(leaves), SumTree(leaves, device)
    classic.update(range(leaves), priorities)
    ours.set(torch.arange(leaves, device=device), torch.from_numpy(priorities).to(device))
    rows = []
    for batch in BATCHES:
        times = interleave([_ours(ours, batch), _classic(classic, batch)], effort.rounds, device)
        what = f"sum tree of {leaves:,}, draw {batch} and write {batch}"
        rows.append(duration_row(what, times[OURS], Beside(CLASSIC, times[CLASSIC].unit_ms)))
    return rows


def _ours(tree: SumTree, batch: int) -> Subject:
    device = tree.leaves.device

    def run() -> None:
        for _ in range(CALLS):
            share = (torch.arange(batch, device=device) + torch.rand(batch, device=device).double()) / batch
            leaves = tree.find((share * tree.total).clamp_min(1e-12))
            tree.set(leaves, torch.rand(batch, device=device))

    return Subject(OURS, CALLS, run)


def _classic(tree: ClassicTree, batch: int) -> Subject:
    random = np.random.default_rng(0)

    def run() -> None:
        for _ in range(CALLS):
            tree.update(tree.draw(batch, random), random.random(batch))

    return Subject(CLASSIC, CALLS, run)
