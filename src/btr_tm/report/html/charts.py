"""Learning curves of arms as charts: seeds, their mean, its interval, thinned so that a page stays small.

R seeds of an arm, X points of a curve. Lines are in units of the axes; a transform puts them on the page, so
that a script can read exact values from them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

from btr_tm.metrics.stats import student_t
from btr_tm.report.arms import AXES, Arm, Seed
from btr_tm.report.compare import entry
from btr_tm.report.plots import frames_text
from btr_tm.report.plots import stretches as unbroken

Array = np.ndarray
METRICS = (  # shown of every run, besides those that a page is about
    "eval/progress_mean",
    "eval/finish_rate",
    "eval/canonical_time_s",
    "eval/return_mean",
    "learner/q_mean",
    "learner/loss",
)
SHOWN = ("frames", "cpu_s", "wall_minutes")  # axes
WIDTH, HEIGHT = 460, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 36
SEED_POINTS, MEAN_POINTS = 2400, 700  # of all the lines of a chart together
LEAST_POINTS = 8
BAND_SEEDS = 3  # the interval of two values is thirteen times as wide as their distance


class Frame(NamedTuple):
    """The stretch of both axes that a chart shows."""

    x0: float
    x1: float
    y0: float
    y1: float

    @property
    def transform(self) -> str:
        """From units of the axes to the page."""
        x, y = (WIDTH - LEFT - RIGHT) / (self.x1 - self.x0), -(HEIGHT - TOP - BOTTOM) / (self.y1 - self.y0)
        corner, origin = f"{LEFT} {HEIGHT - BOTTOM}", f"{-self.x0:.6g} {-self.y0:.6g}"
        return f"translate({corner}) scale({x:.6g} {y:.6g}) translate({origin})"

    def x(self, value: float) -> float:
        return round(LEFT + (value - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        height = HEIGHT - TOP - BOTTOM
        return round(HEIGHT - BOTTOM - (value - self.y0) / (self.y1 - self.y0) * height, 1)


class Line(NamedTuple):
    """One seed; one piece for each part without a gap."""

    name: str
    pieces: tuple[str, ...]  # "x,y x,y ..."


class Curve(NamedTuple):
    """One arm."""

    arm: int
    name: str
    seeds: tuple[Line, ...]
    mean: tuple[str, ...]
    band: tuple[str, ...]


class Chart(NamedTuple):
    """One metric over one axis."""

    metric: str
    meaning: str
    unit: str
    axis: str
    axis_text: str
    frame: Frame
    x_ticks: tuple[tuple[float, str], ...]  # on the page
    y_ticks: tuple[tuple[float, str], ...]
    curves: tuple[Curve, ...]


def charts(arms: Sequence[Arm], metrics: Sequence[str], detail: float = 1.0) -> list[list[Chart]]:
    """For each of `metrics` and METRICS that some run has a value of, one chart per axis."""
    seeds = [seed for arm in arms for seed in arm.seeds]
    names = dict.fromkeys((*metrics, *METRICS))
    found = [name for name in names if any(has(seed, name) for seed in seeds)]
    return [[chart(arms, name, axis, detail) for axis in axes(arms)] for name in found]


def axes(arms: Sequence[Arm]) -> list[str]:
    """Those that some run has; other programs do not write all of them."""
    rows = [seed.rows[-1] for arm in arms for seed in arm.seeds]
    return [axis for axis in SHOWN if any(not math.isnan(Seed.at(row, axis)) for row in rows)]


def has(seed: Seed, name: str) -> bool:
    return any(name in row for row in seed.rows)


def chart(arms: Sequence[Arm], name: str, axis: str, detail: float) -> Chart:
    """One chart; `detail` of 0.5 halves the number of points."""
    measured = [[seed.series(name, axis) for seed in arm.seeds] for arm in arms]
    metric = entry(name)
    shown = frame([series for each in measured for series in each], name)
    limits = points_of(measured, detail)
    curves = [curve(i, arm, each, limits) for i, (arm, each) in enumerate(zip(arms, measured, strict=True))]
    return Chart(
        metric=name,
        meaning=metric.meaning,
        unit=metric.unit,
        axis=axis,
        axis_text=AXES[axis].unit,
        frame=shown,
        x_ticks=tuple((shown.x(at), frames_text(at)) for at in ticks(shown.x0, shown.x1)),
        y_ticks=tuple((shown.y(at), tick_text(at, metric.unit)) for at in ticks(shown.y0, shown.y1)),
        curves=tuple(curves),
    )


Series = tuple[Array, Array]


def points_of(measured: Sequence[Sequence[Series]], detail: float) -> tuple[int, int]:
    """How many points a seed and a mean may have."""
    runs = sum(map(len, measured))
    return (
        max(LEAST_POINTS, int(min(160, SEED_POINTS / runs) * detail)),
        max(LEAST_POINTS, int(min(80, MEAN_POINTS / len(measured)) * detail)),
    )


def frame(series: Sequence[Series], name: str) -> Frame:
    """The axes: from 0 on where that is natural, without the slowest twentieth of race times."""
    x1 = max((float(xs[-1]) for xs, _ in series if len(xs)), default=1.0)
    values = np.concatenate([ys for _, ys in series])
    values = values[np.isfinite(values)]
    if entry(name).unit == "share":
        return Frame(0.0, x1 or 1.0, -0.02, 1.02)
    if not len(values):
        return Frame(0.0, x1 or 1.0, 0.0, 1.0)
    timed = name.endswith("_time_s")
    low, high = float(values.min()), float(np.quantile(values, 0.95) if timed else values.max())
    margin = 0.06 * (high - low) or 0.5
    return Frame(0.0, x1 or 1.0, low - margin, high + margin)


def ticks(low: float, high: float) -> list[float]:
    places = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(at) for at in places if low <= at <= high]


def tick_text(value: float, unit: str) -> str:
    return f"{value:.0%}" if unit == "share" else f"{value:.6g}"


def curve(number: int, arm: Arm, measured: Sequence[Series], limits: tuple[int, int]) -> Curve:
    """Seeds, mean and band of one arm."""
    lines = tuple(
        Line(f"s{seed.manifest['seed']}", tuple(pieces(*thinned(*series, limits[0]))))
        for seed, series in zip(arm.seeds, measured, strict=True)
    )
    if len(measured) < 2:
        return Curve(number, arm.label, lines, lines[0].pieces, ())
    grid = grid_of([xs for xs, _ in measured], limits[1])
    heights = np.stack([on_grid(grid, *series) for series in measured])
    mean, half = mean_and_half(heights)
    band = tuple(outlines(grid, mean - half, mean + half))
    return Curve(number, arm.label, lines, tuple(pieces(grid, mean)), band)


def thinned(xs: Array, ys: Array, limit: int) -> Series:
    """At most `limit` of the measured points, evenly chosen, both ends among them."""
    keep = np.unique(np.linspace(0, len(xs) - 1, min(limit, len(xs))).round().astype(int))
    return xs[keep], ys[keep]


def grid_of(curves: Sequence[Array], limit: int) -> Array:
    """Where the mean is taken: at every measured point, or evenly if those are too many."""
    places = np.unique(np.concatenate(curves))
    if len(places) <= limit:
        return places
    return np.linspace(places[0], places[-1], limit)


def on_grid(grid: Array, xs: Array, ys: Array) -> Array:
    """NaN outside of what was measured, and beside a missing value."""
    return np.interp(grid, xs, ys, left=math.nan, right=math.nan) if len(xs) else np.full(len(grid), math.nan)


def mean_and_half(heights: Array) -> Series:
    """Mean (X,) of curves (R, X) where at least half of them have a value, and half the width of its 95%
    Student's t interval where at least three have one; NaN elsewhere."""
    there = np.isfinite(heights)
    count = there.sum(axis=0)
    total = np.where(there, heights, 0.0).sum(axis=0)
    mean = np.where(2 * count >= len(heights), total, math.nan) / np.maximum(count, 1)
    squares = np.where(there, (heights - mean) ** 2, 0.0).sum(axis=0)
    factors = {
        n: student_t(0.95, n - 1) / math.sqrt(n * (n - 1)) if n >= BAND_SEEDS else math.nan
        for n in set(count.tolist())
    }
    return mean, np.array([factors[n] for n in count.tolist()]) * np.sqrt(squares)


def pieces(xs: Array, ys: Array) -> Iterator[str]:
    """The points without the gaps; a lone point stands twice, so that it is drawn as a dot."""
    for first, last in unbroken(np.isfinite(ys)):
        part = [f"{number(x)},{number(y)}" for x, y in zip(xs[first:last], ys[first:last], strict=True)]
        yield " ".join(part if len(part) > 1 else 2 * part)


def lone(piece: str) -> bool:
    """Whether it is a single point."""
    first, _, rest = piece.partition(" ")
    return first == rest


def outlines(xs: Array, low: Array, high: Array) -> Iterator[str]:
    """Around the area between two curves, above from left to right and below back."""
    for first, last in unbroken(np.isfinite(low)):
        around = [*zip(xs[first:last], high[first:last], strict=True)]
        back = [*zip(xs[first:last], low[first:last], strict=True)][::-1]
        yield " ".join(f"{number(x)},{number(y)}" for x, y in around + back)


def number(value: float) -> str:
    """Whole from 10,000 on, else five digits, as short as they can be written."""
    return f"{value:.0f}" if abs(value) >= 10_000 else f"{value:.5g}"
