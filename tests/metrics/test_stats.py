"""Statistics against closed forms and tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats.mstats import trimmed_mean_ci

from btr_tm.metrics import stats
from btr_tm.metrics.stats import Interval, mean_interval


def test_iqm_is_the_mean_of_the_middle_half():
    assert stats.iqm(np.array([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -100.0])) == pytest.approx(3.5)


def test_iqm_counts_cut_entries_in_part():
    # five runs: quartiles cut the 2nd and 4th entry, of which 0.75 lies inside each; weights .75, 1, .75
    assert stats.iqm(np.array([0.0, 1.0, 2.0, 5.0, 90.0])) == pytest.approx((0.75 + 2.0 + 3.75) / 2.5)


def test_iqm_of_one_entry_is_that_entry():
    assert stats.iqm(np.array([7.0])) == 7.0


@pytest.mark.parametrize(("freedom", "t"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042)])
def test_student_t_matches_the_table(freedom, t):
    assert stats.student_t(0.95, freedom) == pytest.approx(t, abs=6e-4)


def test_mean_interval_of_a_worked_example():
    # 1..5: mean 3, sd sqrt(2.5), half width 2.7764 * sqrt(2.5 / 5)
    interval = stats.mean_interval([1, 2, 3, 4, 5])
    assert interval.value == 3.0 and interval.high - 3.0 == pytest.approx(2.7764 * np.sqrt(0.5), abs=1e-3)


def test_mean_interval_of_one_value_claims_nothing():
    assert stats.mean_interval([2.0]) == (2.0, -np.inf, np.inf)


def test_bootstrap_of_the_mean_matches_the_normal_interval():
    scores = np.random.default_rng(1).normal(5.0, 2.0, size=(400, 1))
    interval = stats.stratified_bootstrap(scores, estimate=np.mean)
    half = 1.96 * scores.std() / 20.0
    assert interval.value == pytest.approx(scores.mean())
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.1)


def test_bootstrap_resamples_runs_within_each_task():
    # two tasks without any spread inside them: the interval has no width, however far apart the tasks are
    scores = np.tile([[0.0, 100.0]], (5, 1))
    assert stats.stratified_bootstrap(scores, estimate=np.mean) == (50.0, 50.0, 50.0)


def test_area_under_a_ramp_is_its_mean_height():
    assert stats.area_under([0, 10], [0, 1], 0, 10) == pytest.approx(0.5)
    assert stats.area_under([0, 10], [0, 1], 5, 10) == pytest.approx(0.75)
    assert stats.area_under([0, 10], [0, 1], 10, 20) == pytest.approx(1.0)


def test_bootstrap_cuts_the_same_share_at_both_ends():
    # means of two resampled runs: 0, 1/2, 1 with chances 1/4, 1/2, 1/4; the middle 40 % are all 1/2
    interval = stats.stratified_bootstrap(np.array([0.0, 1.0]), estimate=np.mean, confidence=0.4)
    assert interval == (0.5, 0.5, 0.5)


def test_bootstrap_of_the_same_seed_is_the_same():
    scores = np.random.default_rng(1).normal(size=(9, 2))
    first, again = (stats.stratified_bootstrap(scores, repetitions=50, seed=3) for _ in range(2))
    assert first == again != stats.stratified_bootstrap(scores, repetitions=50, seed=4)


def test_mean_interval_of_two_values_is_symmetric_and_as_the_table_says():
    # 1 and 3: mean 2, sd sqrt(2), half width 12.706 * sqrt(2 / 2)
    value, low, high = stats.mean_interval([1.0, 3.0])
    assert (low, value, high) == pytest.approx((2 - 12.706, 2.0, 2 + 12.706), abs=1e-3)


def test_student_t_below_one_has_its_closed_form():
    # one degree of freedom is the Cauchy distribution: tan(confidence * pi / 2)
    assert stats.student_t(0.2, 1) == pytest.approx(np.tan(0.1 * np.pi), abs=1e-9)


def test_area_does_not_see_the_curve_outside_the_window():
    # a peak of 8 at 1, then flat at 2 from 2 on
    frames, values = [0, 1, 2, 10], [0, 8, 2, 2]
    assert stats.area_under(frames, values, 5, 9) == pytest.approx(2.0)
    assert stats.area_under([*frames, 12], [*values, 20], 5, 9) == pytest.approx(2.0)


def test_iqm_interval_is_that_of_the_trimmed_mean():
    # eight values: the quartiles cut two at each end, as scipy's trimming of a quarter does
    values = np.random.default_rng(2).normal(size=8)
    low, high = trimmed_mean_ci(values, limits=(0.25, 0.25), alpha=0.05)
    assert stats.iqm_interval(values) == pytest.approx((stats.iqm(values), low, high))


def test_iqm_interval_of_few_values():
    assert stats.iqm_interval([2.0]) == (2.0, -np.inf, np.inf)
    # of three none is cut whole: the width is that of the mean
    mean, iqm = stats.mean_interval([1.0, 2.0, 6.0]), stats.iqm_interval([1.0, 2.0, 6.0])
    assert iqm.high - iqm.value == pytest.approx(mean.high - mean.value)


def test_mean_intervals_cover_the_mean_at_their_rate():
    draws = np.random.default_rng(3).normal(size=(2000, 5))
    found = [stats.mean_interval(values) for values in draws]
    assert 0.94 <= np.mean([low <= 0 <= high for _, low, high in found]) <= 0.96


def test_an_interval_of_shares_ends_where_shares_do():
    wide = mean_interval([1.0, 1.0, 0.2])
    assert wide.low < 0 and wide.high > 1
    assert wide.of_shares() == (wide.value, 0.0, 1.0)
    assert Interval(0.5, 0.4, 0.6).of_shares() == (0.5, 0.4, 0.6)
    assert mean_interval([0.9]).of_shares() == mean_interval([0.9])
