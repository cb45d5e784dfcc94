"""curves.png: one small panel per comparison, the arm over its reference, means over seeds with bands."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, PercentFormatter

from btr_tm.metrics import catalog
from btr_tm.metrics.stats import student_t
from btr_tm.report.ablation.effects import OTHER
from btr_tm.report.ablation.model import Arm, Effect, Study
from btr_tm.report.ablation.outcomes import AREA, curve
from btr_tm.report.ablation.words import FAMILIES, shortened
from btr_tm.report.plots import BLUE, GREY, INK, frames_text, save, style

Array = np.ndarray
COLUMNS, PANEL = 3, (3.5, 2.3)  # inches
POINTS = 200  # of a line
NAME = 22  # letters of an arm
BAND = 3  # seeds; the interval of two fills the panel


def draw(study: Study, path: Path) -> Path:
    """Families one after the other, each beginning a new line."""
    lines = lines_of(study)
    count, columns = max(1, len(lines)), max([2, *map(len, lines)])
    figure = Figure(figsize=(columns * PANEL[0], 0.8 + count * PANEL[1]), layout="constrained")
    panels = figure.subplots(count, columns, sharex=True, sharey=True, squeeze=False)
    for axes in panels.ravel():
        axes.set_axis_off()
    if not lines:
        draw_panel(panels[0, 0], study, study.arms[0], None, study.arms[0].name)
    for row, effects in zip(panels, lines, strict=False):
        for axes, effect in zip(row, effects, strict=False):
            arm, reference = study.arm(effect.arm), study.arm(effect.reference)
            draw_panel(axes, study, arm, reference, title(effect))
        row[0].set_ylabel(study.metric, color=INK, fontsize=8.5)
    for column in panels.T:
        lowest = max((i for i, axes in enumerate(column) if axes.axison), default=0)
        column[lowest].tick_params(labelbottom=True)
    handles = [
        Line2D([], [], color=BLUE, lw=2.2, label="the arm"),
        Line2D([], [], color=GREY, lw=2.2, label="its reference"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False, fontsize=9.5)
    caption = (
        "frames (decisions, summed over cars);  thin: seeds;  thick: their mean;  "
        f"band: its 95% t interval, from {BAND} seeds on"
    )
    figure.supxlabel(caption, fontsize=8.5, color=GREY)
    return save(figure, path)


def lines_of(study: Study) -> list[list[Effect]]:
    """The comparisons of each line of panels."""
    families = [study.effects_of(AREA, family) for family in FAMILIES]
    return [effects[i : i + COLUMNS] for effects in families for i in range(0, len(effects), COLUMNS)]


def title(effect: Effect) -> str:
    """`without NoisyLinear`; another change as it is."""
    if effect.family == OTHER:
        return effect.label
    return f"{'with' if effect.sign > 0 else 'without'} {effect.label}"


def names_of(arm: Arm, reference: Arm | None) -> str:
    """`no_noisy (10) over base (10)`, with their seeds."""
    both = [arm, reference] if reference else [arm]
    return " over ".join(f"{end_of(each.name)} ({len(each.runs)})" for each in both)


def end_of(name: str) -> str:
    """The part of a long name in which arms differ most."""
    return name if len(name) <= NAME else f"...{name[3 - NAME :]}"


def draw_panel(axes: Axes, study: Study, arm: Arm, reference: Arm | None, heading: str) -> None:
    axes.set_axis_on()
    style(axes, "")
    if reference:
        draw_arm(axes, study, reference, GREY, seeds=False)
    draw_arm(axes, study, arm, BLUE, seeds=True)
    above = axes.set_title(shortened(heading, 44), loc="left", fontsize=9.5, color=INK, pad=14)
    below = axes.annotate(
        names_of(arm, reference), (0, 1), xycoords="axes fraction", xytext=(0, 4),
        textcoords="offset points", fontsize=7.5, color=GREY,
    )  # fmt: skip
    above.set_in_layout(False)  # a long one must not make the panels narrow
    below.set_in_layout(False)
    axes.xaxis.set_major_formatter(FuncFormatter(frames_text))
    axes.set_xlim(*study.window)
    known = catalog.find(study.metric)
    if known and known.unit == "share":
        axes.set_ylim(-0.03, 1.05)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def draw_arm(axes: Axes, study: Study, arm: Arm, colour: str, seeds: bool) -> None:
    found = [curve(run, study.metric, "frames") for run in arm.runs]
    if seeds:
        for xs, values in found:
            axes.plot(xs, values, color=colour, lw=0.6, alpha=0.35)
    grid = np.linspace(*study.window, POINTS)
    heights = np.stack([np.interp(grid, *each) for each in found])
    axes.plot(grid, heights.mean(axis=0), color=colour, lw=2.0)
    if len(found) >= BAND:
        low, high = band(heights)
        axes.fill_between(grid, low, high, color=colour, alpha=0.2, lw=0)


def band(heights: Array) -> tuple[Array, Array]:
    """Pointwise 95 % t interval of the mean over seeds of curves (R, X)."""
    half = student_t(0.95, len(heights) - 1) * heights.std(axis=0, ddof=1) / math.sqrt(len(heights))
    return heights.mean(axis=0) - half, heights.mean(axis=0) + half
