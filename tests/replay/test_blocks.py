"""Decisions that are blocks of actions, and batches that also hold the decisions between the ends."""

from __future__ import annotations

import json

import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.replay.buffer import Replay
from btr_tm.replay.horizon.mini_race import MiniRace
from btr_tm.replay.sampler.uniform import Uniform

from .helpers import FLOATS, IMAGE, SlowReplay, drive, observe
from .test_buffer import GAMMA, discounted

CARS = 3


def replay(horizon=None, seed: int = 0, **options) -> Replay:
    known = {"capacity": 60, "cars": CARS, "image_shape": IMAGE, "floats": FLOATS, "n_step": 3}
    known |= {"sampler": Uniform, "device": "cpu", "horizon": horizon or discounted()}
    return Replay(**(known | options), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_step", [1, 3, 4])
@pytest.mark.parametrize("cut", [False, True])
def test_decisions_on_the_way_are_those_of_a_slow_replay(n_step: int, cut: bool) -> None:
    fast, slow = replay(n_step=n_step, cut_at_non_greedy=cut, states="all"), SlowReplay(CARS)
    for t in drive(40, CARS, torch.Generator().manual_seed(n_step)):
        fast.add(t)
        slow.add(t)
    batch = fast.sample(64)
    assert len(batch.inner) == n_step - 1
    for b in range(64):
        frame = int(batch.obs.floats[b, 1])
        car = frame // 10_000
        first = next(i for i, row in enumerate(slow.rows[car]) if row.frame == frame)
        run = slow.run(car, first, n_step, cut)
        for number, step in enumerate(batch.inner, 1):
            if number >= len(run):
                assert step.discount[b] == 0
                continue
            assert step.discount[b].item() == pytest.approx(GAMMA**number)
            assert step.action[b] == run[number].action
            want = observe(torch.tensor([run[number].frame]))
            assert torch.equal(step.obs.image[b], want.image[0])
            assert torch.equal(step.obs.floats[b], want.floats[0])


def test_batches_hold_the_ends_only_unless_asked() -> None:
    asked, plain = replay(states="all"), replay()
    for t in drive(30, CARS, torch.Generator().manual_seed(1)):
        asked.add(t)
        plain.add(t)
    one, other = asked.sample(32), plain.sample(32)
    assert other.inner == () and len(one.inner) == 2
    assert torch.equal(one.reward, other.reward) and torch.equal(one.index, other.index)


def test_the_clock_runs_on_the_way_and_stops_at_the_end_of_the_mini_race() -> None:
    fast = replay(MiniRace(lambda frames: 0.9, Clock()), capacity=300, states="all")
    for t in drive(80, CARS, torch.Generator().manual_seed(2), p_terminated=0.0, p_truncated=0.0):
        fast.add(t)
    batch = fast.sample(4000)
    clock = batch.obs.floats[:, 0]
    length = (batch.next_obs.floats[:, 0] - clock).long()
    for number, step in enumerate(batch.inner, 1):
        assert torch.equal(step.obs.floats[:, 0], clock + number)
        counts = (number < length) & (clock + number < 140)
        expected = torch.where(counts, 0.9**number, 0.0)
        torch.testing.assert_close(step.discount, expected)
        assert bool(((clock + number >= 140) & (number < length)).any())  # the case is there


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


def test_blocks_survive_a_save(tmp_path) -> None:
    saved, restored = replay(block=(4,)), replay(block=(4,), seed=9)
    for t in blocks(25, 4):
        saved.add(t)
    restored.load(tmp_path, json.loads(json.dumps(saved.save(tmp_path))))
    assert torch.equal(saved.ring.rows["action"], restored.ring.rows["action"])
    assert torch.equal(saved.sample(20).action, restored.sample(20).action)
