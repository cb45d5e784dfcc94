"""The replay in main memory against the one beside the learner."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from btr_tm.core.tree import flatten
from btr_tm.replay.buffer import Replay
from btr_tm.replay.host import HostReplay
from btr_tm.replay.sampler.uniform import Uniform
from btr_tm.replay.split import PerTransition

from .helpers import PRIORITIZED, build_replay, drive

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def build(kind: type[Replay], sampler, seed: int = 0, device: str = "cpu") -> Replay:
    generator = torch.Generator(device).manual_seed(seed)
    return build_replay(kind=kind, sampler=sampler, device=device, generator=generator)


def fill(buffer: Replay, decisions: int = 60) -> None:
    for t in drive(decisions, 3, torch.Generator().manual_seed(0)):
        buffer.add(t)


def equal(one, other) -> bool:
    pairs = zip(flatten(one), flatten(other), strict=True)
    return all(torch.equal(a.cpu(), b.cpu()) for a, b in pairs)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device"))])  # fmt: skip
def test_batches_equal_those_of_a_replay_whose_priorities_come_one_update_late(device: str) -> None:
    fast, slow = build(HostReplay, PRIORITIZED, device=device), build(Replay, PRIORITIZED)
    fill(fast)
    fill(slow)
    late = None
    for update in range(12):
        batch, expected = fast.sample(8), slow.sample(8)
        assert equal(batch, expected) and batch.reward.device.type == device
        error = torch.rand(8, generator=torch.Generator().manual_seed(update))
        fast.update_priorities(batch.index, error.to(device))
        if late is not None:
            slow.update_priorities(*late)
        late = expected.index, error


def test_a_restored_one_goes_on_like_the_one_that_was_saved(tmp_path: Path) -> None:
    saved = build(HostReplay, PRIORITIZED)
    fill(saved)
    for _ in range(5):
        saved.update_priorities(saved.sample(8).index, torch.rand(8))
    manifest = saved.save(tmp_path)
    restored = build(HostReplay, PRIORITIZED, seed=9)
    restored.load(tmp_path, manifest)
    for t in drive(5, 3, torch.Generator().manual_seed(1)):
        batches = []
        for buffer in (saved, restored):
            buffer.add(t)
            batches.append(buffer.sample(8))
            buffer.update_priorities(batches[-1].index, batches[-1].reward.abs())
        assert equal(*batches)


def test_a_priority_that_comes_late_is_not_given_to_what_took_the_place() -> None:
    replay = build_replay(
        12, kind=HostReplay, sampler=partial(PRIORITIZED, alpha=1.0), generator=torch.Generator()
    )
    driven = list(drive(60, 3, torch.Generator().manual_seed(0), 0.0, 0.0))
    for t in driven[:20]:
        replay.add(t)
    batch = replay.sample(8)
    replay.update_priorities(batch.index, torch.full((8,), 0.5))
    for t in driven[20:26]:
        replay.add(t)  # all slots are overwritten
    batch = replay.sample(8)  # drawn before that
    replay.update_priorities(batch.index, torch.full((8,), 0.01))
    replay._write_pending()
    leaves = replay._sampler.odds()
    assert set(leaves.tolist()) == {0.0, 1.0}, "what is new has the largest"


def test_a_batch_comes_once() -> None:
    """Also without priorities in between."""
    fast, slow = build(HostReplay, Uniform), build(Replay, Uniform)
    fill(fast)
    fill(slow)
    fast.update_priorities(fast.sample(8).index, torch.rand(8))  # draws the next one ahead
    slow.sample(8)
    assert all(equal(fast.sample(8), slow.sample(8)) for _ in range(3))


def test_saving_changes_nothing_that_follows(tmp_path: Path) -> None:
    """The batch that was drawn ahead is drawn again, with the same random numbers."""
    saved, other = build(HostReplay, Uniform), build(HostReplay, Uniform)
    for buffer in (saved, other):
        fill(buffer)
        buffer.update_priorities(buffer.sample(8).index, torch.rand(8))
    saved.save(tmp_path)
    assert all(equal(saved.sample(8), other.sample(8)) for _ in range(3))


def test_priorities_count_once_though_their_slots_hold_others_by_then(tmp_path: Path) -> None:
    buffer = build(HostReplay, PRIORITIZED)
    fill(buffer)
    buffer.update_priorities(buffer.sample(8).index, torch.full((8,), 100.0))
    buffer.save(tmp_path)  # writes them
    fill(buffer)  # over and over the ring
    leaves = buffer._sampler.state["leaves"]
    index = leaves.nonzero()[:, 0]
    Replay.update_priorities(buffer, index, torch.zeros(len(index)))
    before = leaves.clone()
    buffer.update_priorities(index[:8], torch.zeros(8))
    assert torch.equal(leaves, before)


def test_what_was_under_way_is_forgotten_by_a_load(tmp_path: Path) -> None:
    saved, busy = build(HostReplay, PRIORITIZED), build(HostReplay, PRIORITIZED, seed=9)
    fill(saved)
    fill(busy, decisions=30)
    busy.update_priorities(busy.sample(8).index, torch.full((8,), 100.0))
    busy.load(tmp_path, saved.save(tmp_path))
    for _ in range(3):
        batches = saved.sample(8), busy.sample(8)
        assert equal(*batches)
        for buffer, batch in zip((saved, busy), batches, strict=True):
            buffer.update_priorities(batch.index, torch.ones(8))


def test_another_batch_size_is_drawn_anew() -> None:
    buffer = build(HostReplay, Uniform)
    fill(buffer)
    buffer.update_priorities(buffer.sample(8).index, torch.rand(8))
    assert len(buffer.sample(5).reward) == 5
    assert len(buffer.draw_states(6, torch.Generator())[1]) == 6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_nothing_waits_for_the_learner_but_its_late_priorities() -> None:
    buffer = build(HostReplay, PRIORITIZED, device="cuda")
    fill(buffer)
    torch.cuda.set_sync_debug_mode("error")
    for _ in range(3):
        batch = buffer.sample(8)
        buffer.update_priorities(batch.index, batch.reward.abs())
    torch.cuda.set_sync_debug_mode("default")


def test_the_next_batch_is_drawn_before_what_is_driven_meanwhile() -> None:
    """Like one that draws right after the priorities and keeps the batch."""
    fast, slow = build(HostReplay, Uniform), build(Replay, Uniform)
    fill(fast)
    fill(slow)
    fast.update_priorities(fast.sample(8).index, torch.rand(8))
    slow.sample(8)
    kept = slow.sample(8)
    for t in drive(20, 3, torch.Generator().manual_seed(1)):
        fast.add(t)
    assert equal(fast.sample(8), kept)


def test_test_batches_equal_those_of_a_replay() -> None:
    fast, slow = (
        build_replay(kind=kind, split=PerTransition, generator=torch.Generator().manual_seed(0))
        for kind in (HostReplay, Replay)
    )
    fill(fast)
    fill(slow)
    assert equal(fast.sample_test(8), slow.sample_test(8))


def test_states_depend_on_the_generator_that_is_given_and_on_nothing_else() -> None:
    buffer = build(HostReplay, Uniform)
    fill(buffer)
    first, again, other = (
        buffer.draw_states(30, torch.Generator().manual_seed(seed))[0].floats for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_what_is_sampled_lies_on_the_learners_device() -> None:
    buffer = build_replay(kind=HostReplay, split=PerTransition, device="meta")  # stands for a GPU
    fill(buffer)
    for batch in (buffer.sample(8), buffer.sample_test(8), buffer.draw_states(8, torch.Generator())):
        assert {leaf.device.type for leaf in flatten(batch)} == {"meta"}


def test_a_decision_made_on_a_gpu_is_waited_for_once(monkeypatch) -> None:
    """And only when all of it is on its way: a blocking copy for each part would wait a dozen times."""
    happened: list[str] = []

    class Event:
        def synchronize(self) -> None:
            happened.append("wait")

    def fetch(self: HostReplay, tensor: torch.Tensor) -> torch.Tensor:
        happened.append("copy")
        return tensor.clone()

    monkeypatch.setattr("btr_tm.replay.host.on_gpu", lambda tensor: True)
    monkeypatch.setattr(HostReplay, "_fetch", fetch)
    monkeypatch.setattr(HostReplay, "_event", lambda self: Event())
    fast, slow = build(HostReplay, Uniform), build(Replay, Uniform)
    for t in drive(60, 3, torch.Generator().manual_seed(0)):
        happened.clear()
        fast.add(t)
        assert happened == ["copy"] * len(flatten(t)) + ["wait"]
        slow.add(t)
    assert equal(Replay.sample(fast, 8), Replay.sample(slow, 8))


def test_what_was_driven_on_the_host_is_not_waited_for(monkeypatch) -> None:
    monkeypatch.setattr(HostReplay, "_event", lambda self: pytest.fail("waits for the learner"))
    fill(build(HostReplay, Uniform), decisions=2)
