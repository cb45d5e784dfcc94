"""A reference line from above with its metres and what is wrong with it, and its height along the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from btr_tm.report.plots import BLUE, GREEN, GREY, INK, ORANGE, page_size, save, style
from btr_tm.report.track_picture import plan

Array = np.ndarray
APART_M = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)  # between the places whose metres are written
MOST_MARKS = 16
ROAD, RED = "#dfe3e8", "#b2182b"
MOST_POINTS = 20_000  # drawn


class Mark(NamedTuple):
    """Something to be seen at one place of the line."""

    metres: float
    is_bad: bool


def line_picture(
    points: Array,
    path: str | Path,
    title: str,
    half_width_m: float,
    marks: Sequence[Mark] = (),
    gates: Array | None = None,
) -> Path:
    """Write the picture of `points` (N, 3); `gates` (C, 3) are the centres of the map's start, checkpoints
    and finish.
    """
    points = points[:: -(-len(points) // MOST_POINTS)]
    metres = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))))
    width, height = page_size(plan(points))
    figure = Figure(figsize=(width, height + 2.0), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(height, 1.6))
    _draw_map(above, points, metres, half_width_m)
    if gates is not None and len(gates):
        x, z = plan(gates).T
        above.scatter(x, z, marker="s", s=40, facecolor="none", edgecolor=BLUE, lw=1.5, zorder=5)
    below.plot(metres, points[:, 1], color=INK, lw=1.4)
    style(below, "height (m)")
    below.set_xlabel("along the line (m)", color=INK, fontsize=9)
    for mark in marks:
        colour = RED if mark.is_bad else ORANGE
        place = np.array([[np.interp(mark.metres, metres, points[:, axis]) for axis in range(3)]])
        x, z = plan(place).T
        above.scatter(x, z, s=60, facecolor="none", edgecolor=colour, lw=1.8, zorder=6)
        below.axvline(mark.metres, color=colour, lw=1.2)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=INK)
    return save(figure, path)


def _draw_map(axes: Axes, points: Array, metres: Array, half_width_m: float) -> None:
    """The line on a road of that width, its start green and its end orange."""
    flat = plan(points)
    axes.plot(*flat.T, color=GREY, lw=1.6, zorder=3)
    axes.set_aspect("equal")
    axes.margins(0.06)
    ahead = np.gradient(flat, axis=0)
    side = np.stack((-ahead[:, 1], ahead[:, 0]), 1) / np.linalg.norm(ahead, axis=1).clip(1e-9)[:, None]
    edges = np.concatenate((flat + half_width_m * side, (flat - half_width_m * side)[::-1]))
    axes.fill(*edges.T, color=ROAD, lw=0, zorder=1)
    for place, colour, name in ((0, GREEN, "start"), (-1, ORANGE, "finish")):
        axes.scatter(flat[place, 0], flat[place, 1], s=45, color=colour, zorder=4)
        axes.annotate(name, tuple(flat[place]), xytext=(7, 7), textcoords="offset points", color=colour)
    apart = next((n for n in APART_M if metres[-1] / n <= MOST_MARKS), APART_M[-1])
    for at in np.arange(apart, metres[-1] - apart / 2, apart):
        place = int(np.searchsorted(metres, at))
        axes.scatter(flat[place, 0], flat[place, 1], s=9, color=INK, zorder=4)
        axes.annotate(
            f"{at:g} m", tuple(flat[place]), xytext=(5, 4), textcoords="offset points", fontsize=7, color=INK
        )
    axes.axis("off")
