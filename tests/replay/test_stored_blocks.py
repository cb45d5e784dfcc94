"""Decisions that are blocks of actions come back as they were driven, also from a save."""

from __future__ import annotations

import json

import torch

from .helpers import drive
from .test_inner_decisions import CARS, replay


def blocks(decisions: int, size: int, seed: int = 0):
    """Transitions whose actions are blocks."""
    generator = torch.Generator().manual_seed(seed)
    for t in drive(decisions, CARS, generator):
        yield t._replace(action=torch.randint(12, (CARS, size), generator=generator))


def test_blocks_come_back_as_they_were_driven() -> None:
    fast, driven = replay(block=(5,), states="all"), {}
    for t in blocks(40, 5):
        fast.add(t)
        driven |= {int(f[1]): a.tolist() for f, a in zip(t.obs.floats, t.action, strict=True)}
    batch = fast.sample(100)
    assert batch.action.shape == (100, 5) and batch.action.dtype == torch.int64
    assert batch.action.tolist() == [driven[int(frame)] for frame in batch.obs.floats[:, 1]]
    inside = batch.inner[0].discount > 0
    frames = batch.inner[0].obs.floats[inside, 1]
    assert batch.inner[0].action[inside].tolist() == [driven[int(frame)] for frame in frames]


def test_restored_blocks_are_those_that_were_saved(tmp_path) -> None:
    saved, restored = replay(block=(4,)), replay(block=(4,), seed=9)
    for t in blocks(25, 4):
        saved.add(t)
    restored.load(tmp_path, json.loads(json.dumps(saved.save(tmp_path))))
    assert torch.equal(saved.ring.rows["action"], restored.ring.rows["action"])
    assert torch.equal(saved.sample(20).action, restored.sample(20).action)
