"""The pictures of the scaling study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from matplotlib.typing import HashableList

from btr_tm.benchmarks.scaling_study import Point
from btr_tm.core.types import JsonObject
from btr_tm.report.plots import BLUE, GREEN, GREY, ORANGE, save, style

COLOURS = (BLUE, ORANGE, GREEN, GREY)
PANELS = {
    "cars": ("cars in one process", "frames/s, simulator and acting"),
    "batch": ("samples in a batch", "ms per update"),
    "collectors": ("collector processes", "frames/s, learner idle"),
    "learners": ("processes that learn", "ms per update"),
    "memory": ("image height and width (pixels)", "GiB per million transitions"),
}
DOUBLING = ("cars", "batch")  # studies whose x doubles from point to point


def plot(points: Sequence[Point], path: str | Path, title: str) -> Path:
    """A panel for each study that has points."""
    figure = Figure(figsize=(11.0, 7.0), layout="constrained")
    upper: HashableList[str] = ["cars", "cars", "cars", "batch", "batch", "batch"]
    lower: HashableList[str] = ["collectors", "collectors", "learners", "learners", "memory", "memory"]
    places = figure.subplot_mosaic([upper, lower])
    for study, axes in places.items():
        _draw(axes, study, [point for point in points if point.study == study])
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return save(figure, path)


def title_of(machine: JsonObject) -> str:
    """What was measured on."""
    return f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']} before"


def _draw(axes: Axes, study: str, points: Sequence[Point]) -> None:
    label, ordinate = PANELS[study]
    names = list(dict.fromkeys(point.series for point in points))
    for colour, name in zip(COLOURS, names, strict=False):
        line = sorted((point.x, point.value) for point in points if point.series == name)
        axes.plot(*zip(*line, strict=True), "o-", ms=4, lw=1.6, color=colour, label=name)
    places = sorted({point.x for point in points})
    if study in DOUBLING:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=10)
    else:
        axes.set_ylim(bottom=0)
    axes.set_xticks(places)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}"))
    axes.set_xlabel(label)
    style(axes, ordinate)
    if names:
        axes.set_ylim(top=1.25 * max(point.value for point in points))
        axes.legend(frameon=False, fontsize=9)
