"""What a comparison says of its arms, one sentence each, with intervals over their seeds.

R seeds of an arm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from btr_tm.metrics.stats import Interval
from btr_tm.metrics.two_samples import welch
from btr_tm.report.compare import Comparison
from btr_tm.report.table_text import interval_text

Array = np.ndarray


def ratio_of_means(above: Array, below: Array, repetitions: int = 10_000, seed: int = 0) -> Interval:
    """Mean of `above` over mean of `below`, one positive value per seed; bootstrap within each arm."""
    generator = np.random.default_rng(seed)
    means = [
        values[generator.integers(len(values), size=(repetitions, len(values)))].mean(axis=1)
        for values in (above, below)
    ]
    low, high = np.quantile(means[0] / means[1], [0.025, 0.975])
    return Interval(float(above.mean() / below.mean()), float(low), float(high))


def verdicts(comparison: Comparison) -> list[str]:
    """Every later arm against the first: one sentence on the ratio of their areas, and one on race times."""
    (base, first), *others = zip(comparison.arms, comparison.figures, strict=True)
    areas = [verdict(arm.label, figures.area, base.label, first.area) for arm, figures in others]
    times = [
        time_verdict(arm.label, figures.mean_time_s, base.label, first.mean_time_s) for arm, figures in others
    ]
    return [*areas, *(sentence for sentence in times if sentence)]


def time_verdict(label: str, times: Array, other: str, other_times: Array) -> str:
    """Which arm is faster at the end, by Welch's interval; nothing where one of them has no time."""
    pair = [each[np.isfinite(each)] for each in (times, other_times)]
    if not min(map(len, pair)):
        return ""
    found, counts = welch(*pair), [len(times), len(other_times)]
    text = f"Mean time of {label} - mean time of {other}: {interval_text(found, '+.2f')} s; "
    held = [len(each) for each in pair]
    if held != counts:
        return f"{text}no verdict, because {sum(counts) - sum(held)} of {sum(counts)} runs have none."
    if min(counts) == 1 or found.low <= 0 <= found.high:
        return f"{text}cannot be decided with {seeds_text(counts)}."
    return f"{text}{label} is {'faster' if found.value < 0 else 'slower'}{reservation(*counts)}."


def seeds_text(counts: Sequence[int]) -> str:
    """`5 seeds`, `3 and 5 seeds`."""
    found = sorted(set(counts))
    return " and ".join(map(str, found)) + (" seed" if found == [1] else " seeds")


def verdict(label: str, area: Array, other: str, other_area: Array) -> str:
    """Which area is larger, and whether so few seeds can decide that."""
    pair = f"Area of {label} / area of {other}"
    if not (np.concatenate([area, other_area]) > 0).all():
        return f"{pair}: not defined, because some areas are missing or not positive."
    counts = [len(area), len(other_area)]
    seeds = seeds_text(counts)
    ratio = ratio_of_means(area, other_area)
    if min(counts) == 1:
        return f"{pair}: {ratio.value:.2f}; cannot be decided with {seeds}."
    text = f"{pair}: {interval_text(ratio, '.2f')}; "
    if ratio.low <= 1 <= ratio.high:
        return text + f"cannot be decided with {seeds}."
    size = "larger" if ratio.value > 1 else "smaller"
    return f"{text}{label} has the {size} area{reservation(*counts)}."


def reservation(n: int, m: int) -> str:
    """How often chance separates equal arms, in 2 of (n + m over n) orders; said where that is likely."""
    orders = math.comb(n + m, n) / 2
    return f", but with so few seeds chance alone does that in 1 of {orders:.0f} cases" if orders < 20 else ""
