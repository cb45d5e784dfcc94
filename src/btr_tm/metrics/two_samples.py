"""Statistics of two independent samples, one value per run: is one arm better than the other?

n and m are their sizes. scipy is imported where it is used, because it takes most of a second.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np

from btr_tm.metrics.stats import Interval, student_t

Array = np.ndarray
EXACT = 200_000  # orders; ten runs against ten have 184,756
NUMBERS = 1_000_000  # held in memory at a time


def welch(x: Array, y: Array, confidence: float = 0.95) -> Interval:
    """Mean of `x` minus mean of `y` with Welch's t interval; infinitely wide where a sample has one value."""
    difference = float(x.mean() - y.mean())
    if min(x.size, y.size) < 2:
        return Interval(difference, -math.inf, math.inf)
    parts = np.array([x.var(ddof=1) / x.size, y.var(ddof=1) / y.size])  # squared errors of the means
    if parts.sum() == 0:
        return Interval(difference, difference, difference)
    freedom = parts.sum() ** 2 / (parts**2 / [x.size - 1, y.size - 1]).sum()  # Welch and Satterthwaite
    half = student_t(confidence, float(freedom)) * math.sqrt(parts.sum())
    return Interval(difference, difference - half, difference + half)


def permutation_p(x: Array, y: Array, orders: int = EXACT, seed: int = 0) -> Array:
    """Two-sided p values (K,) of K differences of means, of samples (K, n) and (K, m), under all assignments
    of the values to two samples.

    Exact where there are at most `orders` of them, else over so many random ones. Where a value is infinite
    (what never happened), ranks replace the values. NaN where a sample has fewer than two values. All K are
    tested at once, because making the assignments takes the time.
    """
    from scipy.stats import permutation_test

    if min(x.shape[-1], y.shape[-1]) < 2:
        return np.full(len(x), math.nan)
    pairs = [(a, b) if np.isfinite([*a, *b]).all() else ranks(a, b) for a, b in zip(x, y, strict=True)]
    samples = tuple(np.stack(each) for each in zip(*pairs, strict=True))
    found = permutation_test(
        samples, difference_of_means, vectorized=True, n_resamples=orders, axis=-1,
        batch=max(1, NUMBERS // (len(x) * (x.shape[-1] + y.shape[-1]))), rng=np.random.default_rng(seed),
    )  # fmt: skip
    return np.asarray(found.pvalue)


def difference_of_means(x: Array, y: Array, axis: int) -> Array:
    return x.mean(axis=axis) - y.mean(axis=axis)


def ranks(x: Array, y: Array) -> tuple[Array, Array]:
    """Both samples as ranks among all values, equal ones sharing theirs."""
    from scipy.stats import rankdata

    found = rankdata([*x, *y])
    return found[: x.size], found[x.size :]


def is_exact(n: int, m: int, orders: int = EXACT) -> bool:
    return math.comb(n + m, n) <= orders


def least_p(n: int, m: int) -> float:
    """The smallest p value that a permutation test of these sizes can give."""
    return min(1.0, 2 / math.comb(n + m, n))


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for testing all of them (Holm 1979): the share of families with a false alarm stays
    below the level that they are compared with. NaN, a test that could not be made, stays NaN."""
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        adjusted[i] = largest
    return adjusted


def probability_of_improvement(x: Array, y: Array, repetitions: int = 2000, seed: int = 0) -> Interval:
    """How often a run of `x` has the larger value than one of `y`, ties counting half: Mann and Whitney's
    U / n m (Agarwal et al. 2021, arXiv:2108.13264, section 4.3), with a BCa bootstrap interval.

    The interval is infinitely wide where a sample has one value or the samples do not overlap.
    """
    from scipy.stats import DegenerateDataWarning, bootstrap

    x, y = ranks(x, y)  # which infinite values have too
    value = float(share_larger(x, y, axis=-1))
    if min(x.size, y.size) < 2 or value in (0.0, 1.0):
        return Interval(value, -math.inf, math.inf)
    with warnings.catch_warnings():  # of samples without any spread, whose interval is NaN
        warnings.simplefilter("ignore", DegenerateDataWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = bootstrap(
            (x, y), share_larger, vectorized=True, n_resamples=repetitions, method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval  # fmt: skip
    if math.isnan(low + high):
        return Interval(value, -math.inf, math.inf)
    return Interval(value, float(low), float(high))


def share_larger(x: Array, y: Array, axis: int) -> Array:
    """Pairs (..., n) and (..., m) with x > y, ties counting half, as a share (...)."""
    signs = np.sign(np.expand_dims(x, -1) - np.expand_dims(y, -2))
    return (1 + signs.mean(axis=(-1, -2))) / 2


def seeds_needed(x: Array, y: Array, level: float = 0.05, power: float = 0.8) -> float:
    """Runs per sample with which a two-sided t test at `level` would find the observed difference.

    The normal formula with Guenther's (1981) correction for estimated deviations; infinite without a
    difference, NaN where the deviations are unknown.
    """
    from scipy.special import ndtri

    if min(x.size, y.size) < 2:
        return math.nan
    difference, variance = float(x.mean() - y.mean()), float(x.var(ddof=1) + y.var(ddof=1))
    if difference == 0:
        return math.inf
    alpha = float(ndtri(1 - level / 2))
    runs = (alpha + float(ndtri(power))) ** 2 * variance / difference**2 + alpha**2 / 4
    return float(max(2, math.ceil(runs)))
