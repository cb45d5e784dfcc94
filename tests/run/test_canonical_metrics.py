"""The canonical race in the terms of the published runs."""

from __future__ import annotations

import math

import pytest
import torch

from btr_tm.run.canonical_metrics import CanonicalMetrics, RollingMean, passed_s
from btr_tm.run.race import NO_RACE, Race

MEDALS = {"author": 23_000, "gold": 25_000, "silver": 28_000, "bronze": 35_000}


def race(time_ms: int, finished: bool = True, metres=(), **more) -> Race:
    actions = torch.tensor([3, 3, 1, 1])
    progress = metres[-1] if metres else 0.0
    return Race(actions, finished, time_ms, progress, 0, metres=torch.tensor(metres), **more)


def test_published_mean_takes_sixty_finishes_to_come_near_25_seconds() -> None:
    rolling = RollingMean("unfinished")
    means = [rolling.add(25.0) for _ in range(60)]
    assert means[0] == 0.9 * 300 + 0.1 * 25
    assert [k for k, mean in enumerate(means, 1) if mean < 1.02 * 25][0] == 60


def test_mean_that_begins_with_the_first_finish_is_there_at_once() -> None:
    rolling = RollingMean("first")
    assert rolling.add(25.0) == 25.0 and rolling.add(35.0) == pytest.approx(26.0)


def test_robust_time_is_of_finishes_not_far_above_the_mean_that_includes_them() -> None:
    canonical = CanonicalMetrics(RollingMean("first"))
    robust = [
        canonical.measure(race(ms), NO_RACE)["robust_time_s"] for ms in (30_000, 24_000, 60_000, 24_500)
    ]
    assert robust[0] == 30.0 and robust[1] == 24.0 and math.isnan(robust[2]) and robust[3] == 24.5


def test_unfinished_race_counts_300_seconds_and_leaves_the_mean_alone() -> None:
    canonical = CanonicalMetrics(RollingMean("first"))
    canonical.measure(race(30_000), NO_RACE)
    found = canonical.measure(race(60_000, finished=False), NO_RACE)
    assert found["time_s"] == 300.0 and found["finished"] == 0.0 and found["rolling_time_s"] == 30.0
    assert math.isnan(found["robust_time_s"])


@pytest.mark.parametrize(
    ("time_ms", "medal"), [(23_000, 4), (24_000, 3), (25_001, 2), (35_000, 1), (36_000, 0)]
)
def test_medals_are_those_of_the_track(time_ms: int, medal: int) -> None:
    canonical = CanonicalMetrics(medals_ms=MEDALS)
    found = canonical.measure(race(time_ms), best=race(time_ms))
    assert found["medal"] == medal
    assert found["author_percent"] == pytest.approx(100 * time_ms / 23_000)
    assert found["gold_percent"] == pytest.approx(100 * time_ms / 25_000)
    assert canonical.measure(race(22_000, finished=False), best=race(22_000, finished=False))["medal"] == 0
    assert math.isnan(CanonicalMetrics().measure(race(22_000), best=race(22_000))["medal"])


def test_splits_are_the_times_between_checkpoints_start_and_finish() -> None:
    canonical = CanonicalMetrics(checkpoints_m=(3.0, 6.0), decision_s=0.05)
    found = canonical.measure(race(190, metres=(2.0, 4.0, 5.0, 7.0)), NO_RACE)
    assert found["split_s.0"] == pytest.approx(0.075) and found["split_s.1"] == pytest.approx(0.1)
    assert found["split_s.2"] == pytest.approx(0.19 - 0.175) and found["zone"] == 20 + 14
    short = canonical.measure(race(60_000, finished=False, metres=(2.0, 4.0, 4.0)), NO_RACE)
    assert short["split_s.0"] == pytest.approx(0.075) and math.isnan(short["split_s.1"])


def test_checkpoint_passed_on_a_decision_counts_at_its_end_and_one_behind_the_start_at_once() -> None:
    assert passed_s([2.0, 4.0], 4.0, 0.05) == pytest.approx(0.1) and passed_s([2.0, 4.0], -1.0, 0.05) == 0.0
    assert math.isnan(passed_s([2.0, 4.0], 4.5, 0.05))


def test_values_of_the_race_match_a_slow_loop() -> None:
    q = torch.tensor([[1.0, 2.0, 4.0], [0.0, 3.0, 1.0], [5.0, 5.0, 2.0], [1.0, 1.0, 1.0]])
    found = CanonicalMetrics().measure(race(200, q=q), NO_RACE)
    slow = sum(max(row) - value for row in q.tolist() for value in row) / 12
    assert found["q_gap"] == pytest.approx(slow) and found["q_start"] == 1.0
    assert found["action_swaps"] == pytest.approx(1 / 3)


def test_what_was_predicted_stands_beside_what_was_driven() -> None:
    q = torch.tensor([[1.0, 2.0], [4.0, 3.0], [0.5, 0.0]])
    driven = {"rewards": torch.tensor([1.0, 1.0, 2.0]), "potentials": torch.tensor([0.5, 1.0, 3.0, 0.0])}
    found = CanonicalMetrics(gamma=lambda frames: 0.5 + frames).measure(race(150, q=q, **driven), NO_RACE)
    returns = [1 + 0.5 * 1 + 0.25 * 2 - 0.5, 1 + 0.5 * 2 - 1.0, 2 - 3.0]
    assert found["q_first"] == 2.0 and found["discounted_return"] == pytest.approx(returns[0])
    assert found["q_error"] == pytest.approx((2.0 + 4.0 + 0.5 - sum(returns)) / 3)
    near = CanonicalMetrics(gamma=lambda frames: 0.5, decisions=1)
    assert near.measure(race(150, q=q, **driven), NO_RACE)["discounted_return"] == pytest.approx(1 - 0.5)


def test_the_value_of_a_block_is_the_sum_over_its_slots() -> None:
    q = torch.tensor([[[1.0, 2.0], [4.0, 3.0]]])
    driven = {"rewards": torch.tensor([1.0]), "potentials": torch.zeros(2)}
    found = CanonicalMetrics(gamma=lambda frames: 0.5).measure(race(50, q=q, **driven), NO_RACE)
    assert found["q_first"] == 6.0 and found["q_error"] == 5.0


def test_a_race_without_rewards_or_discount_has_no_such_figures() -> None:
    q = torch.tensor([[1.0, 2.0]])
    driven = {"rewards": torch.tensor([1.0]), "potentials": torch.zeros(2)}
    assert "q_error" not in CanonicalMetrics().measure(race(50, q=q, **driven), NO_RACE)
    assert "q_error" not in CanonicalMetrics(gamma=lambda frames: 0.5).measure(race(50, q=q), NO_RACE)
