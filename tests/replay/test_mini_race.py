"""The seven-second horizon: how clocks are drawn, and the collate rule of Linesight written as a loop."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.types import Transition
from btr_tm.replay.horizon.segment import Segment
from btr_tm.replay.n_step import DropFinish, StoreFinish

from .helpers import SlowReplay, drive, mini_race, potential
from .helpers import build_replay as replay
from .linesight import Filler, Stored, collate


def test_each_clock_has_its_probability() -> None:
    """P(0) = 11/180, P(1..30) = 2/180 each, P(31..139) = 1/180 each, over all equally likely moments."""
    horizon = mini_race()
    first, last = horizon.moments
    clock = horizon.clock_of(torch.arange(first, last + 1))
    assert (first, last, len(clock)) == (-35, 144, 180)
    assert torch.bincount(clock).tolist() == [11] + [2] * 30 + [1] * 109


def test_every_moment_is_drawn_as_often() -> None:
    """Chi-square of the distribution of the clock, within 5 deviations."""
    draws = 180_000
    clock = mini_race().draw(draws, torch.Generator().manual_seed(0))
    expected = torch.tensor([11.0] + [2.0] * 30 + [1.0] * 109) / 180 * draws
    count = torch.bincount(clock, minlength=140)
    assert len(count) == 140
    chi_square = float(((count - expected) ** 2 / expected).sum())
    assert abs(chi_square - 139) < 5 * (2 * 139) ** 0.5


@pytest.mark.parametrize(("decision_ms", "decisions"), [(50, 140), (30, 233), (70, 100), (100, 70)])
def test_a_mini_race_lasts_seven_seconds_of_whole_decisions(decision_ms: int, decisions: int) -> None:
    horizon = mini_race(decision_ms=decision_ms)
    assert horizon.decisions == decisions
    clock = horizon.draw(20_000, torch.Generator().manual_seed(0))
    assert set(clock.tolist()) == set(range(decisions))


def test_a_mini_race_shorter_than_its_oversampled_moments_is_refused() -> None:
    assert mini_race(duration_ms=31 * 50).decisions == 31
    with pytest.raises(UserError, match="at least 31 decisions of 50 ms, got 30 in 1500 ms"):
        mini_race(duration_ms=1500)


def finished_race(rewards: list[float]) -> list[Transition]:
    """One car from its start to the finish, without potentials."""
    drove = drive(len(rewards), 1, torch.Generator().manual_seed(0), 0, 0)
    zero, last = torch.zeros(1), len(rewards) - 1
    return [
        t._replace(
            reward=torch.tensor([rewards[i]]),
            terminated=torch.tensor([i == last]),
            potential=zero,
            next_potential=zero,
        )
        for i, t in enumerate(drove)
    ]


def test_the_transition_into_the_finish_is_stored() -> None:
    """Three decisions to the finish, worth 1, 2 and 4: returns end with the last, and nothing follows."""
    fast = replay(horizon=mini_race(0.5), cars=1, capacity=20)
    for t in finished_race([1.0, 2.0, 4.0]):
        fast.add(t)
    batch = fast.sample(600)
    early = batch.obs.floats[:, 0] < 137
    worth = {0: 1.0 + 0.5 * 2.0 + 0.25 * 4.0, 1: 2.0 + 0.5 * 4.0, 2: 4.0}
    assert Counter(batch.obs.floats[early, 1].int().tolist()).keys() == worth.keys()
    for frame, reward in worth.items():
        at = early & (batch.obs.floats[:, 1] == frame)
        assert set(batch.reward[at].tolist()) == {reward}
        assert set((batch.next_obs.floats[at, 0] - batch.obs.floats[at, 0]).tolist()) == {3.0 - frame}
    assert not batch.discount.any()


def stored_transitions(slow: SlowReplay, filler: Filler, gamma: float) -> dict[int, Stored]:
    """By number of their first frame, of all races that are over."""
    found: dict[int, Stored] = {}
    for rows in slow.rows:
        race = []
        for row in rows:
            race.append(row)
            if row.ended:
                found |= {each.frame: each for each in filler(race, gamma)}
                race = []
    return found


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("finish", [StoreFinish(), DropFinish()], ids=["stored", "dropped"])
def test_batches_equal_the_transitions_of_linesight(cut: bool, finish) -> None:
    """Whole races through fill and collate, in float64; races end at the finish as often as by a cut-off."""
    gamma, n, generator = 0.97, 3, torch.Generator().manual_seed(4)
    options = {"cut_at_non_greedy": cut, "finish": finish}
    fast = replay(2000, n_step=n, horizon=mini_race(gamma), generator=generator, **options)
    slow = SlowReplay(cars=3)
    for t in drive(300, 3, torch.Generator().manual_seed(5), p_terminated=0.08, p_truncated=0.08):
        fast.add(t)
        slow.add(t)
    known = stored_transitions(slow, Filler(n, cut, isinstance(finish, DropFinish)), gamma)
    batch, seen = fast.sample(12_000), set()
    for b in range(len(batch.index)):
        frame, t = int(batch.obs.floats[b, 1]), int(batch.obs.floats[b, 0])
        if frame not in known:
            assert not any(row.ended for row in slow.rows[frame // 10_000] if row.frame >= frame)
            continue
        stored = known[frame]
        phi, next_phi = potential(torch.tensor([frame, frame + stored.n])).tolist()
        reward, discount, next_clock = collate(stored, t, phi, next_phi)
        assert batch.reward[b].item() == pytest.approx(reward, abs=1e-5)
        assert batch.discount[b].item() == pytest.approx(discount, abs=1e-6)
        assert batch.next_obs.floats[b, 0] == next_clock
        seen.add(frame)
    assert seen == known.keys()


@pytest.mark.parametrize("gamma", [1.0, 0.97])
@pytest.mark.parametrize("terminated", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_returns_equal_the_collate_rule(gamma: float, terminated: bool, length: int) -> None:
    rewards = torch.tensor([0.5, -1.0, 2.0])[:length]
    cumulative = (gamma ** torch.arange(length) * rewards).cumsum(0).tolist()
    powers = [gamma ** (k + 1) for k in range(length)]
    stored = Stored(0, length, cumulative, powers, length if terminated else float("inf"))
    clock = torch.arange(140)
    segment = Segment(
        rewards=torch.cat([rewards, torch.zeros(3 - length)]).expand(140, 3),
        length=torch.full((140,), length),
        terminated=torch.full((140,), terminated),
        potential=torch.full((140,), 0.3),
        next_potential=torch.full((140,), -0.7),
        gamma=gamma,
        exponent=torch.full((140,), length),
    )
    answer = mini_race(gamma).at(clock, segment)
    expected = torch.tensor([collate(stored, int(t), 0.3, -0.7) for t in clock])
    torch.testing.assert_close(torch.stack([answer.reward, answer.discount, answer.next_clock], 1), expected)
    assert torch.equal(answer.clock, clock.float())


def test_both_observations_carry_the_clock_and_the_store_is_left_alone() -> None:
    fast = replay(horizon=mini_race(), capacity=60)
    for t in drive(30, 3, torch.Generator().manual_seed(2)):
        fast.add(t)
    before = fast.ring.rows["floats"].clone()
    batch = fast.sample(500)
    clock, next_clock = batch.obs.floats[:, 0], batch.next_obs.floats[:, 0]
    assert int(clock.max()) > 100 and int(clock.min()) == 0
    assert set((next_clock - clock).int().tolist()) == {1, 2, 3}
    assert bool((batch.discount[next_clock >= 140] == 0).all())
    assert torch.equal(before, fast.ring.rows["floats"])


def test_a_mini_race_of_one_decision_is_allowed_where_no_late_moment_is_oversampled() -> None:
    horizon = mini_race(duration_ms=50, oversample_long=10, oversample_max=5)
    assert not horizon.draw(100, torch.Generator().manual_seed(0)).any()
    with pytest.raises(UserError, match="lower horizon.oversample_long$"):
        mini_race(duration_ms=50, oversample_long=11, oversample_max=5)


def test_clocks_depend_on_the_generator_alone() -> None:
    first, again, other = (mini_race().draw(50, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_discount_of_a_mini_race_follows_its_schedule() -> None:
    horizon = replace(mini_race(), gamma=lambda frames: 0.5 + frames / 1000, clock=Clock(frames=100))
    assert horizon.current_gamma == 0.6
