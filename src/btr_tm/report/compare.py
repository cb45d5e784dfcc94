"""Compares arms: final figures, areas under curves with intervals, verdicts, as Markdown.

R seeds of an arm, X points of a curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.metrics.catalog import CATALOG, find
from btr_tm.metrics.meter import Row
from btr_tm.metrics.stats import Interval, area_under, common_window, mean_interval, stratified_bootstrap
from btr_tm.report.arms import Arm, Seed, author_time_s
from btr_tm.report.table_text import amount, amounts, interval_text, markdown, shares

Array = np.ndarray
UNITS = {"frames": "frames", "cpu_s": "CPU seconds", "wall_s": "seconds"}
GOOD_RATE = 0.8  # share of finished races at which an arm counts as able to drive the track


class Figures(NamedTuple):
    """Results of an arm; one entry per seed, NaN for what never happened."""

    finish_rate: Array
    best_time_s: Array
    first_finish: Array  # on the axis of the comparison
    good_rate: Array
    cpu_s: Array
    area: Array  # mean height of the first metric over the common window
    author_s: float


class Comparison(NamedTuple):
    """Arms, what is compared, and where on the axis all of them were measured."""

    arms: Sequence[Arm]
    figures: list[Figures]
    metrics: Sequence[str]
    axis: str
    window: tuple[float, float]


def compare(arms: Sequence[Arm], metrics: Sequence[str], axis: str) -> Comparison:
    """Measure the arms; the first of the metrics gives the areas."""
    for name in metrics:
        if find(name) is None:
            known = ", ".join(key for key in CATALOG if key.startswith("eval/"))
            raise UserError(f"there is no metric {name!r}; choose for example {known}")
    window = shared_window([seed for arm in arms for seed in arm.seeds], metrics[0], axis)
    return Comparison(arms, [measure(arm, metrics[0], axis, window) for arm in arms], metrics, axis, window)


def shared_window(seeds: Sequence[Seed], name: str, axis: str) -> tuple[float, float]:
    """The stretch of the axis over which every run was measured."""
    curves = {seed.folder: seed.series(name, axis)[0] for seed in seeds}
    for folder, xs in curves.items():
        if len(xs) < 2:
            raise UserError(
                f"{folder} measured {name} {len(xs)} times, but a curve needs two points; train longer"
            )
    low, high = max(xs[0] for xs in curves.values()), min(xs[-1] for xs in curves.values())
    if low >= high:
        raise UserError(
            f"the runs have no {UNITS[axis]} in common: one begins at {low:.0f}, after another ended at "
            f"{high:.0f}; choose another --x or train longer"
        )
    return common_window(list(curves.values()))


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
        cpu_s=each(lambda seed: seed.rows[-1]["cpu_s"]),
        area=each(lambda seed: area_under(*seed.series(name, axis), *window)),
        author_s=author_time_s(arm),
    )


def last(seed: Seed, name: str) -> float:
    """The last value of a metric."""
    return next((row[name] for row in reversed(seed.rows) if name in row), math.nan)


def least(seed: Seed, name: str) -> float:
    """The smallest value of a metric."""
    return min((row[name] for row in seed.rows if name in row), default=math.nan)


def first(seed: Seed, axis: str, condition: Callable[[Row], bool]) -> float:
    """Where on the axis a row meets the condition for the first time."""
    return next((float(row[axis]) for row in seed.rows if condition(row)), math.nan)


def finished(row: Row) -> bool:
    """Some race of this evaluation reached the finish."""
    return row.get("eval/finish_rate", 0) > 0 or "eval/canonical_time_s" in row


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
    """Every later arm against the first: one sentence on the ratio of their areas."""
    arms = list(zip(comparison.arms, comparison.figures, strict=True))
    return [verdict(arm.label, figures.area, arms[0][0].label, arms[0][1].area) for arm, figures in arms[1:]]


def verdict(label: str, area: Array, other: str, other_area: Array) -> str:
    """Which area is larger, and whether so few seeds can decide that."""
    pair = f"Area of {label} / area of {other}"
    if not (np.concatenate([area, other_area]) > 0).all():
        return f"{pair}: not defined, because some areas are missing or not positive."
    counts = sorted({len(area), len(other_area)})
    seeds = " and ".join(map(str, counts)) + (" seed" if counts == [1] else " seeds")
    ratio = ratio_of_means(area, other_area)
    if counts[0] == 1:
        return f"{pair}: {ratio.value:.2f}; cannot be decided with {seeds}."
    text = f"{pair}: {interval_text(ratio, '.2f')}; "
    if ratio.low <= 1 <= ratio.high:
        return text + f"cannot be decided with {seeds}."
    size = "larger" if ratio.value > 1 else "smaller"
    return f"{text}{label} has the {size} area{reservation(len(area), len(other_area))}."


def reservation(n: int, m: int) -> str:
    """How often chance separates equal arms, in 2 of (n + m over n) orders; said where that is likely."""
    orders = math.comb(n + m, n) / 2
    return f", but with so few seeds chance alone does that in 1 of {orders:.0f} cases" if orders < 20 else ""


def table(comparison: Comparison) -> str:
    """The figures, one arm per row, as Markdown."""
    unit = UNITS[comparison.axis]
    headings = [
        "arm", "seeds", "finish rate at the end (min)", "best canonical time (s)", "x author time",
        f"{unit} to first finish", f"{unit} to {GOOD_RATE:.0%} finished", "CPU s",
        f"area under {comparison.metrics[0]}",
    ]  # fmt: skip
    pairs = zip(comparison.arms, comparison.figures, strict=True)
    return markdown([headings, *[cells(arm, figures, comparison.axis) for arm, figures in pairs]])


def cells(arm: Arm, figures: Figures, axis: str) -> list[str]:
    """One row of the table."""
    times = figures.best_time_s[np.isfinite(figures.best_time_s)]
    area = stratified_bootstrap(figures.area, np.mean) if len(arm.seeds) > 1 else mean_interval(figures.area)
    return [
        arm.label,
        str(len(arm.seeds)),
        shares(figures.finish_rate),
        best_text(times, len(arm.seeds)),
        f"{times.mean() / figures.author_s:.3f}" if len(times) and figures.author_s > 0 else "--",
        amounts(figures.first_finish, axis),
        amounts(figures.good_rate, axis),
        f"{figures.cpu_s.mean():.0f}",
        interval_text(area, ".3f"),
    ]


def best_text(times: Array, seeds: int) -> str:
    """Mean of the best times of those seeds that finished."""
    if not len(times):
        return "never finished"
    some = f" ({len(times)} of {seeds} seeds)" if len(times) < seeds else ""
    return interval_text(mean_interval(times), ".2f") + some


def notes(comparison: Comparison) -> list[str]:
    """Limits of the table that a reader must know."""
    seeds = list(chain.from_iterable(arm.seeds for arm in comparison.arms))
    low, high = (amount(end, comparison.axis) for end in comparison.window)
    found = [
        f"Areas are mean heights between {low} and {high} {UNITS[comparison.axis]}, which every run covers.",
        "Brackets are 95% intervals over seeds: Student's t for times, bootstrap for areas and their ratio "
        "(too narrow for few seeds).",
    ]
    going = [str(seed.folder) for seed in seeds if not seed.ended]
    if going:
        found.append(f"Still running or stopped, since they have no summary: {', '.join(going)}.")
    ends = [seed.rows[-1]["frames"] for seed in seeds]
    if max(ends) > min(ends):
        ends_text = f"{amount(min(ends), 'frames')} to {amount(max(ends), 'frames')}"
        found.append(
            f"Runs end at {ends_text} frames: their rates, times and CPU seconds are of different budgets."
        )
    commits = sorted({s.get("commit", "unknown")[:9] for seed in seeds for s in seed.manifest["sessions"]})
    if len(commits) > 1:
        found.append(f"Runs were made by {len(commits)} commits: {', '.join(commits)}.")
    return found


def page(comparison: Comparison, picture: str) -> str:
    """comparison.md."""
    title = "# " + ", ".join(arm.label for arm in comparison.arms)
    folders = [
        f"- {arm.label}: {', '.join(str(seed.folder) for seed in arm.seeds)}" for arm in comparison.arms
    ]
    parts = [
        [title],
        [f"![curves]({picture})"],
        [table(comparison)],
        [f"- {sentence}" for sentence in verdicts(comparison)],
        [f"- {note}" for note in notes(comparison)],
        folders,
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
