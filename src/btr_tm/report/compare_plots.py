"""The picture of a comparison: one panel per metric, seeds thin, their mean thick with a bootstrap band."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, PercentFormatter

from btr_tm.report.arms import AXES, Arm
from btr_tm.report.compare import Comparison, entry
from btr_tm.report.plots import BLUE, GREEN, GREY, INK, ORANGE, frames_text, note_author, save, style

Array = np.ndarray
COLOURS = (BLUE, ORANGE, GREEN, "#7a4fa3", "#b5354c", "#3a9fb0", "#8a6d3b", "#d15fa0")
STROKES = ((0.0, ()), (0.0, (4.0, 1.5)))  # solid, dashed
WIDTH, LINE, FONT = 8.0, 0.18, 9  # inches, inches a line of the legend, points
LETTERS, HANDLE = 100, 10  # of the legend across the picture; taken by each line's sample
CAPTION = (
    "thin: seeds;  thick: their mean where every seed has a value;  band: 95% bootstrap interval of the mean"
)
CROWD = 6  # arms from which on only means are drawn, and the band of the base
CROWDED = "lines: means over seeds, where every seed has a value;  band: 95% bootstrap interval of {base}"
POINTS = 400  # of the thick lines
MARKED = 40  # curves of up to so many points show each of them


def draw(comparison: Comparison, path: str | Path) -> Path:
    """Write the picture: every metric, arms as thick lines."""
    texts = [legend_text(arm) for arm in comparison.arms]
    columns, lines = legend_size(texts)
    count = len(comparison.metrics)
    figure = Figure(figsize=(WIDTH, 0.8 + 2.5 * count + LINE * lines), layout="constrained")
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, comparison.metrics, strict=True):
        draw_panel(axes, comparison, name)
    panels[-1].set_xlabel(AXES[comparison.axis].label, color=INK)
    panels[-1].set_xlim(left=0)
    panels[-1].xaxis.set_major_formatter(FuncFormatter(frames_text))
    add_legend(figure, texts, columns)
    crowded = len(comparison.arms) >= CROWD
    caption = CROWDED.format(base=comparison.arms[0].label) if crowded else CAPTION
    figure.supxlabel(caption, fontsize=8, color=GREY)
    return save(figure, path)


def draw_one(comparison: Comparison, name: str, path: str | Path) -> Path:
    """Write a picture of one metric, in which every run is a line, in the colour of its arm."""
    texts = [legend_text(arm) for arm in comparison.arms]
    columns, lines = legend_size(texts)
    figure = Figure(figsize=(WIDTH, 4.6 + LINE * lines), layout="constrained")
    axes = figure.subplots()
    for i, arm in enumerate(comparison.arms):
        for xs, values in (seed.series(name, comparison.axis) for seed in arm.seeds):
            axes.plot(xs, values, lw=1.2, color=colour(i), ls=stroke(i), marker=marker(xs), ms=2.2, mew=0)
    dress(axes, comparison, name)
    axes.set_xlabel(AXES[comparison.axis].label, color=INK)
    axes.set_xlim(left=0, right=1.01 * comparison.window[1])
    axes.xaxis.set_major_formatter(FuncFormatter(frames_text))
    add_legend(figure, texts, columns)
    return save(figure, path)


def add_legend(figure: Figure, texts: Sequence[str], columns: int) -> None:
    """One thick line for each arm, above the panels."""
    handles = [
        Line2D([], [], lw=2.2, label=text, color=colour(i), ls=stroke(i)) for i, text in enumerate(texts)
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, frameon=False, fontsize=FONT)


def legend_text(arm: Arm) -> str:
    """Its label, broken where it is wider than the picture, and the number of its seeds."""
    text = f"{arm.label}, {len(arm.seeds)} seed{'s' if len(arm.seeds) > 1 else ''}"
    return "\n".join(textwrap.wrap(text, LETTERS - HANDLE))


def legend_size(texts: Sequence[str]) -> tuple[int, int]:
    """Columns that fit the width of the picture, and the lines of text that they need."""
    widest = max(len(line) for text in texts for line in text.splitlines()) + HANDLE
    columns = max(1, min(len(texts), LETTERS // widest))
    return columns, math.ceil(len(texts) / columns) * max(text.count("\n") + 1 for text in texts)


def colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def stroke(number: int) -> tuple[float, Sequence[float]]:
    """Dashed where the colours come again, so that no two of sixteen arms look the same."""
    return STROKES[number // len(COLOURS) % len(STROKES)]


def marker(xs: Array) -> str:
    """Points are marked where there are few."""
    return "o" if len(xs) <= MARKED else ""


def draw_panel(axes: Axes, comparison: Comparison, name: str) -> None:
    """Every arm in one metric."""
    for i, arm in enumerate(comparison.arms):
        draw_arm(axes, arm, name, comparison, i)
    dress(axes, comparison, name)


def dress(axes: Axes, comparison: Comparison, name: str) -> None:
    """Title, range and unit of a metric."""
    metric = entry(name)
    style(axes, metric.unit)
    axes.set_title(f"{name}:  {metric.meaning}".rstrip(": "), loc="left", fontsize=9.5, color=INK)
    curves = [seed.series(name, comparison.axis)[1] for arm in comparison.arms for seed in arm.seeds]
    values = np.concatenate(curves)
    values = values[np.isfinite(values)]
    if not len(values):
        axes.text(0.5, 0.5, "no run has a value", transform=axes.transAxes, ha="center", color=GREY)
        axes.set_yticks([])
    elif metric.unit == "share":
        axes.set_ylim(-0.03, 1.05)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    elif metric.unit == "s" and name != "eval/std_time_s":
        draw_author(axes, values, sorted({f.author_s for f in comparison.figures if f.author_s > 0}))


def draw_arm(axes: Axes, arm: Arm, name: str, comparison: Comparison, number: int) -> None:
    """Seeds over their whole length; mean and band inside the common window, where every seed has a value."""
    ink, curves = colour(number), [seed.series(name, comparison.axis) for seed in arm.seeds]
    crowded = len(comparison.arms) >= CROWD
    for xs, values in () if crowded else curves:
        axes.plot(
            xs, values, lw=0.8, alpha=0.55, color=ink, ls=stroke(number), marker=marker(xs), ms=2.2, mew=0
        )
    if not all(len(xs) for xs, _ in curves):
        return  # nothing of this section was ever measured in some run
    grid = np.linspace(*comparison.window, POINTS)
    heights = np.stack([np.interp(grid, *curve, left=math.nan, right=math.nan) for curve in curves])
    axes.plot(grid, heights.mean(axis=0), lw=1.6 if crowded and number else 2.2, color=ink, ls=stroke(number))
    if len(curves) > 1 and not (crowded and number):
        axes.fill_between(grid, *mean_band(heights), color=ink, alpha=0.16, lw=0)


def mean_band(heights: Array, repetitions: int = 2000, seed: int = 0) -> Array:
    """Pointwise 95% bootstrap interval (2, X) of the mean over seeds of curves (R, X); NaN stays NaN."""
    runs = len(heights)
    draws = np.random.default_rng(seed).integers(runs, size=(repetitions, runs))
    weights = np.stack([(draws == run).mean(axis=1) for run in range(runs)], axis=1)  # (repetitions, R)
    return np.quantile(weights @ heights, [0.025, 0.975], axis=0)


def draw_author(axes: Axes, times: Array, authors: Sequence[float]) -> None:
    """Dotted author times; without the slowest twentieth, so that first finishes do not flatten the rest."""
    low, high = min([*times, *authors]), float(np.quantile(times, 0.95))
    margin = 0.1 * max(high - low, 0.5)
    axes.set_ylim(low - margin, high + margin)
    for author_s in authors:
        axes.axhline(author_s, color=INK, lw=1.3, ls=":")
        note_author(axes, author_s, INK)
