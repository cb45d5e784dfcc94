"""Statistics of runs: interquartile means, bootstrap intervals, areas under curves.

R runs (seeds), T tasks (tracks), X points of a curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Interval(NamedTuple):
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float

    def of_shares(self) -> Interval:
        """Without what no share can be: Student's t does not know that they lie between 0 and 1.

        An interval without ends, as of one run, stays so: it was not measured.
        """
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return self
        return self._replace(low=max(self.low, 0.0), high=min(self.high, 1.0))


def iqm(scores: Array) -> float:
    """Interquartile mean of all entries: the mean of the middle half, edges weighted by their share.

    Equals scipy's `trim_mean(scores, 0.25)` where the number of entries divides by 4; otherwise the entries
    cut by the quartiles count in part, so that the estimate moves smoothly with the number of runs
    (Agarwal et al. 2021, arXiv:2108.13264, section 4.3).
    """
    ordered = np.sort(np.asarray(scores, dtype=float).ravel())
    n = ordered.size
    assert n > 0, "the interquartile mean of nothing"
    edges = np.arange(n + 1) / n
    share = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0.0, None)
    return float((ordered * share).sum() / share.sum())


def stratified_bootstrap(
    scores: Array,
    estimate: Callable[[Array], float] = iqm,
    repetitions: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of `estimate` over scores (R, T), resampling runs within each task."""
    scores = np.asarray(scores, dtype=float)
    scores = scores[:, None] if scores.ndim == 1 else scores
    assert scores.ndim == 2, scores.shape
    runs, tasks = scores.shape
    generator = np.random.default_rng(seed)
    rows = generator.integers(runs, size=(repetitions, runs, tasks))
    resampled = scores[rows, np.arange(tasks)]  # (repetitions, R, T)
    values = np.array([estimate(sample) for sample in resampled])
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(estimate(scores)), float(low), float(high))


def mean_interval(values: Sequence[float] | Array, confidence: float = 0.95) -> Interval:
    """Mean of independent normal values with Student's t interval; infinitely wide for one value."""
    values = np.asarray(values, dtype=float)
    mean = float(values.mean())
    if values.size < 2:
        return Interval(mean, -math.inf, math.inf)
    half = student_t(confidence, values.size - 1) * float(values.std(ddof=1)) / math.sqrt(values.size)
    return Interval(mean, mean - half, mean + half)


def iqm_interval(values: Sequence[float] | Array, confidence: float = 0.95) -> Interval:
    """Interquartile mean of independent values with the t interval of a trimmed mean.

    Its width is that of the mean from which the floor(n / 4) smallest and largest values are cut (Tukey and
    McLaughlin 1963: the winsorized standard deviation, n - 2 floor(n / 4) - 1 degrees of freedom); infinitely
    wide for one value.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    n, cut = ordered.size, ordered.size // 4
    middle = iqm(ordered)
    if n < 2:
        return Interval(middle, -math.inf, math.inf)
    winsorized = np.clip(ordered, ordered[cut], ordered[n - 1 - cut])
    error = float(winsorized.std(ddof=1)) / ((1 - 2 * cut / n) * math.sqrt(n))
    half = student_t(confidence, n - 2 * cut - 1) * error
    return Interval(middle, middle - half, middle + half)


def student_t(confidence: float, freedom: float) -> float:
    """Two-sided quantile of Student's t distribution: |t| stays below it with probability `confidence`."""
    from scipy.special import stdtrit  # here: it takes a fifth of a second

    return float(stdtrit(freedom, (1 + confidence) / 2))


def area_under(frames: Array, values: Array, low: float, high: float) -> float:
    """Mean height of a piecewise linear curve (X,) over [low, high]; ends are held beyond the data."""
    frames, values = np.asarray(frames, dtype=float), np.asarray(values, dtype=float)
    assert high > low and frames.size == values.size > 0, (low, high, frames.shape, values.shape)
    inside = frames[(frames > low) & (frames < high)]
    grid = np.concatenate([[low], inside, [high]])
    heights = np.interp(grid, frames, values)
    return float(np.trapezoid(heights, grid) / (high - low))
