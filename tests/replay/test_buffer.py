"""Batches against a slow replay, through wrap-around, terminations, truncations and non-greedy cuts."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
import torch

from btr_tm.core import memory
from btr_tm.core.errors import UserError
from btr_tm.core.types import Obs, Transition
from btr_tm.replay.n_step import GammaAtInsertion
from btr_tm.replay.sampler.uniform import Uniform

from .helpers import GAMMA, PRIORITIZED, SlowReplay, discounted, drive, observe, potential
from .helpers import build_replay as replay


def check_against(slow: SlowReplay, batch, n: int, cut: bool) -> None:
    for b in range(len(batch.index)):
        frame = int(batch.obs.floats[b, 1])
        car = frame // 10_000
        i = next(i for i, row in enumerate(slow.rows[car]) if row.frame == frame)
        run = slow.run(car, i, n, cut)
        last = run[-1]
        discount = 0.0 if last.terminated else GAMMA ** len(run)
        shaping = discount * potential(torch.tensor(last.frame + 1)) - potential(torch.tensor(frame))
        expected = sum(GAMMA**j * row.reward for j, row in enumerate(run)) + shaping
        assert batch.action[b] == run[0].action
        torch.testing.assert_close(batch.reward[b], torch.as_tensor(expected, dtype=torch.float32))
        torch.testing.assert_close(batch.discount[b], torch.tensor(discount))
        for got, where in ((batch.obs, frame), (batch.next_obs, last.frame + 1)):
            want = observe(torch.tensor([where]))
            assert torch.equal(got.image[b], want.image[0]), where
            assert torch.equal(got.floats[b], want.floats[0]), where


@pytest.mark.parametrize("n_step", [1, 3, 5])
@pytest.mark.parametrize("cut", [False, True])
def test_batches_equal_those_of_a_slow_replay(n_step: int, cut: bool) -> None:
    fast, slow = replay(n_step=n_step, cut_at_non_greedy=cut), SlowReplay(cars=3)
    for t in drive(60, 3, torch.Generator().manual_seed(n_step)):
        fast.add(t)
        slow.add(t)
        check_against(slow, fast.sample(16), n_step, cut)


def test_exactly_the_live_transitions_can_be_sampled() -> None:
    fast, slow = replay(), SlowReplay(cars=3)
    for t in drive(50, 3, torch.Generator().manual_seed(5)):
        fast.add(t)
        slow.add(t)
        live = [slow.rows[car][i].frame for car in range(3) for i in slow.live(car, fast.ring.slots_per_car)]
        sampled = fast.sample(40 * len(live)).obs.floats[:, 1].int().tolist()
        assert sorted(set(sampled)) == sorted(live)
        assert len(fast) == len(live)


def test_uniform_sampling_is_uniform() -> None:
    """Chi-square over cars with different numbers of live transitions, within 5 deviations."""
    fast = replay(capacity=90)
    for t in drive(100, 3, torch.Generator().manual_seed(1)):
        fast.add(t)
    draws = 60_000
    counts = Counter(fast.sample(draws).index.tolist())
    expected = draws / len(fast)
    chi_square = sum((c - expected) ** 2 / expected for c in counts.values())
    freedom = len(fast) - 1
    assert len(counts) == len(fast)
    assert abs(chi_square - freedom) < 5 * (2 * freedom) ** 0.5


def test_constant_reward_gives_the_known_three_step_return() -> None:
    """Reward 1, n = 3, gamma 0.997 gives 2.991009."""
    fast = replay(horizon=discounted(0.997), cars=1, capacity=20)
    zero = torch.zeros(1)
    for t in drive(4, 1, torch.Generator().manual_seed(0), 0, 0):
        fast.add(t._replace(reward=torch.ones(1), potential=zero, next_potential=zero))
    batch = fast.sample(64)
    first = batch.obs.floats[:, 1] == 0
    torch.testing.assert_close(batch.reward[first], torch.full((int(first.sum()),), 2.991009))
    torch.testing.assert_close(batch.discount[first], torch.full((int(first.sum()),), 0.991026973))


def test_partial_of_sampler_is_a_factory() -> None:
    assert len(replay(sampler=partial(Uniform))) == 0


@pytest.mark.parametrize("sampler", [Uniform, PRIORITIZED])
@pytest.mark.parametrize(
    "image, floats", [((1, 64, 64), 184), ((1, 32, 32), 184), ((1, 0, 0), 8), ((1, 64, 64), 0)]
)
def test_memory_per_transition_is_within_the_stated_bound(image, floats: int, sampler) -> None:
    """At most 1.02 observations and 64 bytes per transition that is held, races of 60 decisions."""
    cars = 8
    buffer = replay(8_000, cars=cars, image_shape=image, floats=floats, sampler=sampler)
    obs = Obs(torch.zeros(cars, *image, dtype=torch.uint8), torch.zeros(cars, floats))
    no, zero = torch.zeros(cars, dtype=torch.bool), torch.zeros(cars)
    for i in range(1100):
        ended = torch.full((cars,), i % 60 == 59)
        buffer.add(Transition(obs, zero.long(), ~no, zero, zero, obs, zero, ended, no))
    allocated = buffer.bytes_per_transition * buffer.capacity
    assert allocated / len(buffer) <= 1.02 * (obs.image[0].numel() + 4 * floats) + 64


def test_without_image_or_without_floats() -> None:
    for image, floats in (((1, 0, 0), 5), ((2, 4, 4), 0)):
        buffer = replay(40, cars=2, image_shape=image, floats=floats)
        obs = Obs(torch.zeros(2, *image, dtype=torch.uint8), torch.zeros(2, floats))
        no, zero = torch.zeros(2, dtype=torch.bool), torch.zeros(2)
        buffer.add(Transition(obs, zero.long(), ~no, zero, zero, obs, zero, no, no))
        batch = buffer.sample(6)
        assert batch.obs.image.shape == (6, *image) and batch.next_obs.floats.shape == (6, floats)


def test_a_batch_is_a_copy() -> None:
    """Stored frames do not change when a consumer works in place, nor batches when the ring goes on."""
    fast = replay()
    transitions = drive(40, 3, torch.Generator().manual_seed(0))
    fast.add(next(transitions))
    batch = fast.sample(4)
    kept = batch.obs.floats.clone()
    for t in transitions:
        fast.add(t)
    assert torch.equal(batch.obs.floats, kept)


def test_too_small_a_capacity_is_refused() -> None:
    with pytest.raises(UserError, match="at least 4 transitions per car, 12 for 3 cars, got 11;"):
        replay(capacity=11)


class Exact(GammaAtInsertion):
    columns = {"gamma": torch.float64}


def test_a_column_of_a_convention_has_the_type_that_it_asks_for() -> None:
    assert replay(gamma_at=Exact()).ring.rows["gamma"].dtype == torch.float64


def test_rows_that_memory_cannot_hold_are_refused_to_the_byte(monkeypatch) -> None:
    free = sum(column.nbytes for column in replay().ring.rows.values())
    monkeypatch.setattr(memory, "free_bytes", lambda device: free)
    replay()
    monkeypatch.setattr(memory, "free_bytes", lambda device: free - 1)
    with pytest.raises(UserError, match="^45 transitions in .* need .* lower profile.replay_capacity to"):
        replay()
