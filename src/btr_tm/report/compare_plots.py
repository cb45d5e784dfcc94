"""The picture of a comparison: one panel per metric, seeds thin, their mean thick with a bootstrap band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, PercentFormatter

from btr_tm.metrics import catalog
from btr_tm.report.arms import Arm
from btr_tm.report.compare import Comparison
from btr_tm.report.plots import BLUE, GREEN, GREY, INK, ORANGE, frames_text, note_author, save, style

Array = np.ndarray
COLOURS = (BLUE, ORANGE, GREEN, "#7a4fa3", "#b5354c", "#3a9fb0", "#8a6d3b", "#d15fa0")
LABELS = {"frames": "frames (decisions of one car)", "cpu_s": "CPU seconds", "wall_s": "seconds"}
CAPTION = (
    "thin: seeds;  thick: their mean where every seed has a value;  band: 95% bootstrap interval of the mean"
)
POINTS = 400  # of the thick lines
MARKED = 40  # curves of up to so many points show each of them


def draw(comparison: Comparison, path: str | Path) -> Path:
    """Write the picture."""
    count = len(comparison.metrics)
    figure = Figure(figsize=(8.0, 1.1 + 2.5 * count), layout="constrained")
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, comparison.metrics, strict=True):
        draw_panel(axes, comparison, name)
    panels[-1].set_xlabel(LABELS[comparison.axis], color=INK)
    panels[-1].set_xlim(left=0)
    panels[-1].xaxis.set_major_formatter(FuncFormatter(frames_text))
    handles = [
        Line2D([], [], color=colour(i), lw=2.4, label=legend_text(arm))
        for i, arm in enumerate(comparison.arms)
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, frameon=False, fontsize=10)
    figure.supxlabel(CAPTION, fontsize=8, color=GREY)
    return save(figure, path)


def legend_text(arm: Arm) -> str:
    return f"{arm.label}, {len(arm.seeds)} seed{'s' if len(arm.seeds) > 1 else ''}"


def colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def draw_panel(axes: Axes, comparison: Comparison, name: str) -> None:
    """Every arm in one metric."""
    metric = catalog.metric(name)
    for i, arm in enumerate(comparison.arms):
        draw_arm(axes, arm, name, comparison, colour(i))
    style(axes, metric.unit)
    axes.set_title(f"{name}:  {metric.meaning}", loc="left", fontsize=9.5, color=INK)
    curves = [seed.series(name, comparison.axis)[1] for arm in comparison.arms for seed in arm.seeds]
    values = np.concatenate(curves)
    values = values[np.isfinite(values)]
    if not len(values):
        axes.text(0.5, 0.5, "no run has a value", transform=axes.transAxes, ha="center", color=GREY)
        axes.set_yticks([])
    elif metric.unit == "share":
        axes.set_ylim(-0.03, 1.05)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    elif name.endswith("_time_s") and name != "eval/std_time_s":
        draw_author(axes, values, sorted({f.author_s for f in comparison.figures if f.author_s > 0}))


def draw_arm(axes: Axes, arm: Arm, name: str, comparison: Comparison, ink: str) -> None:
    """Seeds over their whole length; mean and band inside the common window, where every seed has a value."""
    curves = [seed.series(name, comparison.axis) for seed in arm.seeds]
    for xs, values in curves:
        marked = len(xs) <= MARKED
        axes.plot(xs, values, color=ink, lw=0.8, alpha=0.55, marker="o" if marked else "", ms=2.2, mew=0)
    if not all(len(xs) for xs, _ in curves):
        return  # nothing of this section was ever measured in some run
    grid = np.linspace(*comparison.window, POINTS)
    heights = np.stack([np.interp(grid, *curve, left=math.nan, right=math.nan) for curve in curves])
    axes.plot(grid, heights.mean(axis=0), color=ink, lw=2.2, solid_capstyle="round")
    if len(curves) > 1:
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
