"""Compares arms: which runs, over which stretch of the axis, and what they reached there.

R seeds of an arm, X points of a curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.metrics.catalog import CATALOG, find
from btr_tm.metrics.meter import Row
from btr_tm.metrics.metric import Metric
from btr_tm.metrics.stats import area_under
from btr_tm.report.arms import AXES, Arm, Seed, author_time_s
from btr_tm.report.reading import Reading
from btr_tm.report.table_text import amount
from btr_tm.run import status as status_of
from btr_tm.run import sweep

Array = np.ndarray
GOOD_RATE = 0.8  # share of finished races at which an arm counts as able to drive the track
USUAL = (  # what is compared where no metric is named: the first row whose first metric all arms have
    ("eval/progress_mean", "eval/finish_rate", "eval/canonical_time_s"),
    ("race/alltime_best_s", "canonical/robust_time_s", "eval/canonical_time_s"),
    ("eval/return_mean", "race/return"),
)
UNFINISHED = ("eval/canonical_time_s", "eval/best_time_s", "race/time_s", "race/best_time_s")  # or absent
LESS_IS_BETTER = ("s", "loss")  # units
LISTED = 12  # names that a sentence proposes


class Figures(NamedTuple):
    """Results of an arm; one entry per seed, NaN for what never happened."""

    finish_rate: Array
    best_time_s: Array
    first_finish: Array  # on the axis of the comparison
    good_rate: Array
    cpu_s: Array
    area: Array  # mean height of the first metric over the common window
    mean_time_s: Array  # as of `time_at`, where the common window ends
    author_s: float


class Comparison(NamedTuple):
    """Arms, what is compared, and where on the axis all of them were measured."""

    arms: Sequence[Arm]  # the base, then the others by effect; only runs that cover the window
    figures: list[Figures]
    metrics: Sequence[str]
    axis: str
    window: tuple[float, float]
    left_out: list[str]  # one sentence for each run or arm


def compare(reading: Reading, metrics: Sequence[str], axis: str) -> Comparison:
    """Measure the arms; the first of the metrics (none: the usual ones) gives the areas.

    UserError if no two runs are left, or one has nothing in common with another.
    """
    metrics = metrics or usual_metrics(reading.arms)
    for name in metrics:
        refuse_unknown(name, reading.arms)
    arms, missing = sorted_out(reading.arms, lambda name, seed: unmeasured(name, seed, metrics[0], axis))
    if not arms:
        raise UserError("; ".join([*reading.left_out, *missing]))
    window = shared_window(arms, metrics[0], axis)
    arms, short = sorted_out(arms, lambda name, seed: uncovered(name, seed, metrics[0], axis, window))
    figures = [measure(arm, metrics[0], axis, window) for arm in arms]
    pairs = list(zip(arms, figures, strict=True))
    ordered = pairs[:1] + sorted(pairs[1:], key=lambda pair: effect(pair[1], metrics[0]))
    return Comparison(
        [arm for arm, _ in ordered],
        [figures for _, figures in ordered],
        metrics,
        axis,
        window,
        [*reading.left_out, *missing, *short],
    )


def usual_metrics(arms: Sequence[Arm]) -> list[str]:
    """A row of USUAL, as far as an arm has it; UserError if the base has none.

    An arm that has none of all of them does not count: it is left out.
    """
    measured = [{n for row in USUAL for n in row if any(values(s, n) for s in arm.seeds)} for arm in arms]
    if not any(row[0] in measured[0] for row in USUAL):
        raise UserError(
            f"{arms[0].label} has none of the metrics that are usually compared; name one with --metric"
            f"{examples(arms[0].seeds[0])}"
        )
    shared = [row for row in USUAL if all(row[0] in each for each in measured if each)]
    chosen = (shared or [row for row in USUAL if row[0] in measured[0]])[0]
    return [name for name in chosen if any(name in each for each in measured)]


def values(seed: Seed, name: str) -> int:
    """How often a run measured a metric; a race time counts where the race was not finished, too."""
    found = seed.series(name, "frames")[1]
    return len(found) if name in UNFINISHED else int(np.isfinite(found).sum())


def entry(name: str) -> Metric:
    """What the catalogue says of a metric; of another program's tag it says nothing."""
    return find(name) or Metric(name, "1", "last", "")


def examples(seed: Seed) -> str:
    """`, for example ...`: names that it has values of."""
    names = sorted({name for row in seed.rows for name in row} - {"frames", "clock_s", "wall_s", "cpu_s"})
    return f", for example {', '.join(names[:LISTED])}" if names else ""


def refuse_unknown(name: str, arms: Sequence[Arm]) -> None:
    """UserError for a name that neither the catalogue nor any run has."""
    if find(name) is None and not any(values(seed, name) for arm in arms for seed in arm.seeds):
        known = ", ".join(key for key in CATALOG if key.startswith("eval/"))
        raise UserError(f"there is no metric {name!r}; choose for example {known}")


def sorted_out(arms: Sequence[Arm], why_not: Callable[[str, Seed], str]) -> tuple[list[Arm], list[str]]:
    """The arms with those runs for which `why_not` has no sentence, and its sentences for the others."""
    kept, sentences = [], []
    for arm in arms:
        reasons = [why_not(name, seed) for name, seed in zip(arm.names(), arm.seeds, strict=True)]
        sentences += [reason for reason in reasons if reason]
        seeds = tuple(seed for seed, reason in zip(arm.seeds, reasons, strict=True) if not reason)
        if seeds:
            kept.append(arm._replace(seeds=seeds))
    return kept, sentences


def unmeasured(name: str, seed: Seed, metric: str, axis: str) -> str:
    """Why a run has no curve."""
    if not values(seed, metric):
        return f"{name} is left out: it has no {metric}; name another one{examples(seed)}"
    if values(seed, metric) == 1:
        return f"{name} is left out: it measured {metric} once, and a curve needs two points"
    if len(seed.series(metric, axis)[0]) < 2:
        return (
            f"{name} is left out: it does not say after how many {AXES[axis].unit} its values were measured"
        )
    return ""


def shared_window(arms: Sequence[Arm], name: str, axis: str) -> tuple[float, float]:
    """The stretch of the axis that every ended run covers; every run, if none has ended.

    So one run that goes on, or was given up early, does not shorten the comparison of all others.
    """
    runs = [(run, seed) for arm in arms for run, seed in zip(arm.names(), arm.seeds, strict=True)]
    counted = [each for each in runs if each[1].ended] or runs
    curves = {run: seed.series(name, axis)[0] for run, seed in counted}
    latest = max(curves, key=lambda run: curves[run][0])
    shortest = min(curves, key=lambda run: curves[run][-1])
    low, high = float(curves[latest][0]), float(curves[shortest][-1])
    if low >= high:
        raise UserError(
            f"the runs have no {AXES[axis].unit} in common: {latest} begins at {amount(low, axis)}, after "
            f"{shortest} has ended at {amount(high, axis)}; leave one of them out, or choose another --x"
        )
    return low, high


def uncovered(name: str, seed: Seed, metric: str, axis: str, window: tuple[float, float]) -> str:
    """Why a run says nothing about the whole window."""
    first, last = seed.series(metric, axis)[0][[0, -1]]
    if first <= window[0] and last >= window[1]:
        return ""
    low, high, begin, end = (amount(each, axis) for each in (first, last, *window))
    return (
        f"{name} is left out: it was measured from {low} to {high} {AXES[axis].unit}{state(seed)}, and the "
        f"others from {begin} to {end}"
    )


def state(seed: Seed) -> str:
    """` (running)`, ` (failed: reason)`; nothing for a run that ended."""
    if seed.ended:
        return ""
    if not (seed.folder / status_of.NAME).exists():
        return " (it has no summary)"
    held = sweep.status(seed.folder)
    return f" ({held.state}{': ' + sweep.last_line(held.reason) if held.reason else ''})"


def measure(arm: Arm, name: str, axis: str, window: tuple[float, float]) -> Figures:
    """The figures of one arm."""

    def each(figure: Callable[[Seed], float]) -> Array:
        return np.array([figure(seed) for seed in arm.seeds])

    return Figures(
        finish_rate=each(lambda seed: last(seed, "eval/finish_rate")),
        best_time_s=each(lambda seed: least(seed, "eval/canonical_time_s")),
        first_finish=each(lambda seed: first(seed, axis, finished)),
        good_rate=each(
            lambda seed: first(seed, axis, lambda row: row.get("eval/finish_rate", 0) >= GOOD_RATE)
        ),
        cpu_s=each(lambda seed: last(seed, "cpu_s")),
        area=each(lambda seed: area_under(*seed.series(name, axis), *window)),
        mean_time_s=each(lambda seed: time_at(seed, axis, window[1])),
        author_s=author_time_s(arm),
    )


def effect(figures: Figures, name: str) -> float:
    """Sorts arms from the best to the worst, those without a value last."""
    mean = float(figures.area.mean())
    return math.inf if math.isnan(mean) else mean if entry(name).unit in LESS_IS_BETTER else -mean


def last(seed: Seed, name: str) -> float:
    """The last value of a metric."""
    return next((row[name] for row in reversed(seed.rows) if name in row), math.nan)


def time_at(seed: Seed, axis: str, end: float) -> float:
    """Mean race time of the seeded starts in the last evaluation up to `end` of the axis; NaN where fewer
    than GOOD_RATE of them came home, because those that did are not like the others."""
    rows = [row for row in seed.rows if "eval/finish_rate" in row and seed.at(row, axis) <= end]
    if not rows or not rows[-1]["eval/finish_rate"] >= GOOD_RATE:
        return math.nan
    return float(rows[-1].get("eval/mean_time_s", math.nan))


def least(seed: Seed, name: str) -> float:
    """The smallest value of a metric."""
    found = (row[name] for row in seed.rows if name in row)
    return min((value for value in found if not math.isnan(value)), default=math.nan)


def first(seed: Seed, axis: str, condition: Callable[[Row], bool]) -> float:
    """Where on the axis a row meets the condition for the first time."""
    return next((seed.at(row, axis) for row in seed.rows if condition(row)), math.nan)


def finished(row: Row) -> bool:
    """Some race of this evaluation reached the finish."""
    return row.get("eval/finish_rate", 0) > 0 or row.get("eval/canonical_time_s", math.nan) > 0
