"""Two-sample statistics against closed forms, worked examples, scipy and simulated studies."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from btr_tm.metrics import two_samples as two


def p_of(x, y, **rest):
    """The test of one pair of samples."""
    return float(two.permutation_p(x[None], y[None], **rest)[0])


def test_welch_is_the_t_interval_of_a_worked_example():
    # variances 2.5 and 10, five values each: error sqrt(2.5), freedom 2.5**2 / ((0.5**2 + 2**2) / 4)
    value, low, high = two.welch(np.arange(5.0), np.arange(0.0, 10.0, 2.0))
    half = scipy_stats.t.ppf(0.975, 2.5**2 / (4.25 / 4)) * math.sqrt(2.5)
    assert value == -2.0 and (low, high) == pytest.approx((-2 - half, -2 + half))


def test_welch_is_that_of_scipy():
    x, y = np.random.default_rng(1).normal(size=7), 3 * np.random.default_rng(2).normal(size=4)
    expected = scipy_stats.ttest_ind(x, y, equal_var=False).confidence_interval(0.9)
    assert two.welch(x, y, 0.9)[1:] == pytest.approx(tuple(expected))


def test_welch_refuses_an_interval_to_one_value_and_to_none_spread():
    assert two.welch(np.array([1.0]), np.array([2.0, 4.0])) == (-2.0, -math.inf, math.inf)
    assert two.welch(np.ones(3), np.zeros(3)) == (1.0, 1.0, 1.0)


def test_permutation_p_counts_all_assignments():
    x, y = np.array([1.0, 2.0, 3.0, 7.0]), np.array([2.5, 6.0, 8.0])
    pool, seen = np.concatenate([x, y]), x.mean() - y.mean()
    found = []
    for chosen in combinations(range(7), 4):
        rest = [i for i in range(7) if i not in chosen]
        found.append(pool[list(chosen)].mean() - pool[rest].mean())
    found = np.array(found)
    one_sided = min((found <= seen + 1e-12).mean(), (found >= seen - 1e-12).mean())
    assert p_of(x, y) == pytest.approx(min(1.0, 2 * one_sided))


def test_samples_that_do_not_overlap_have_the_least_p():
    x, y = np.arange(5.0), np.arange(10.0, 15.0)
    assert p_of(x, y) == pytest.approx(two.least_p(5, 5)) == pytest.approx(2 / 252)


def test_what_never_happened_counts_as_the_last_rank():
    # ranks 1, 2, 3 against 4 and two shared 5.5: the most extreme of 20 orders
    x, y = np.array([20.0, 21.0, 22.0]), np.array([23.0, math.inf, math.inf])
    assert p_of(x, y) == pytest.approx(2 / 20)
    assert two.probability_of_improvement(y, x).value == 1.0
    assert p_of(np.full(3, math.inf), np.full(3, math.inf)) == 1.0, "nobody ever finished"


def test_random_orders_are_the_same_ones_each_time():
    x, y = np.random.default_rng(1).normal(size=(2, 9))
    first, again = (p_of(x, y, orders=500) for _ in range(2))
    assert first == again and not two.is_exact(9, 9, 500)


def test_one_value_gives_no_p():
    assert math.isnan(p_of(np.array([1.0]), np.array([2.0, 3.0])))


def test_holm_of_a_worked_example():
    # sorted .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04, and never below the one before
    assert two.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert two.holm([0.9, 0.8]) == [1.0, 1.0]
    assert two.holm([0.02, math.nan, 0.5])[::2] == pytest.approx([0.04, 0.5]), "two tests were made"


def test_probability_of_improvement_is_mann_whitneys_u():
    x, y = np.random.default_rng(2).integers(0, 6, size=(2, 8)).astype(float)
    value, low, high = two.probability_of_improvement(x, y)
    assert value == pytest.approx(scipy_stats.mannwhitneyu(x, y).statistic / 64)
    assert 0 <= low < value < high <= 1


def test_no_overlap_leaves_no_bootstrap_interval():
    value, low, high = two.probability_of_improvement(np.arange(5.0), -np.arange(1.0, 6.0))
    assert value == 1.0 and (low, high) == (-math.inf, math.inf)


@pytest.mark.parametrize(("effect", "runs"), [(0.2, 394), (0.5, 64), (0.8, 26)])
def test_seeds_needed_match_cohens_table(effect, runs):
    # Cohen 1988, table 2.4.1, two-sided 0.05, power 0.8
    spread = np.array([-1.0, 1.0]) / math.sqrt(2)  # standard deviation 1
    assert two.seeds_needed(spread + effect, spread) == runs


def test_no_number_of_seeds_finds_no_difference():
    assert two.seeds_needed(np.arange(3.0), np.arange(3.0)) == math.inf


def p_values(x, y):
    """Welch's t test of many studies (S, n) at once."""
    return scipy_stats.ttest_ind(x, y, axis=-1, equal_var=False).pvalue


def test_t_intervals_cover_the_truth_at_their_rate():
    draws = np.random.default_rng(3).normal(size=(300, 2, 6)) * [[1.0], [3.0]]
    intervals = [two.welch(x, y) for x, y in draws]
    covered = np.mean([low <= 0 <= high for _, low, high in intervals])
    assert 0.92 <= covered <= 0.98


def test_exact_p_values_of_a_true_null_are_small_at_most_at_their_rate():
    draws = np.random.default_rng(4).normal(size=(2000, 2, 5))
    small = np.mean(two.permutation_p(draws[:, 0], draws[:, 1]) <= 0.05)  # 12 of 252 orders
    assert 0.035 <= small <= 0.06


def test_holm_keeps_the_rate_of_families_with_a_false_alarm():
    draws = np.random.default_rng(5).normal(size=(2000, 7, 10))
    families = np.stack([p_values(draws[:, i], draws[:, 6]) for i in range(6)], axis=1)
    alarms = [min(two.holm(list(family))) < 0.05 for family in families]
    uncorrected = [min(family) < 0.05 for family in families]
    assert np.mean(alarms) <= 0.055 < 0.12 < np.mean(uncorrected)


def test_so_many_seeds_find_the_effect_at_the_stated_power():
    spread = np.array([-1.0, 1.0]) / math.sqrt(2)
    runs = int(two.seeds_needed(spread + 1.0, spread))
    x, y = np.random.default_rng(6).normal(size=(2, 2000, runs))
    assert 0.77 <= np.mean(p_values(x + 1.0, y) < 0.05) <= 0.83
