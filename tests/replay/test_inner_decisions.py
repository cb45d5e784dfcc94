"""Batches that also hold the decisions between the ends of a return, for targets that ask for them."""

from __future__ import annotations

import pytest
import torch

from btr_tm.replay.buffer import Replay

from .helpers import GAMMA, SlowReplay, build_replay, drive, mini_race, observe

CARS = 3


def replay(capacity: int = 60, **options) -> Replay:
    return build_replay(capacity, **options)


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
    fast = replay(capacity=300, horizon=mini_race(0.9), states="all")
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
