"""A track from above with its blocks numbered, and its height along the way: for those who build tracks.

On the page a track starts upwards and turns to the side it turns to on the road; the ticks count cells, as
`at` does in a track file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from btr_tm.report.plots import BLUE, GREEN, GREY, GRID, INK, ORANGE, page_size, save, stretches, style
from btr_tm.sim.track.ribbon import (
    CHECKPOINT_GATE,
    DIRT,
    FINISH_GATE,
    GRASS,
    SPACING_M,
    START_GATE,
    TURBO,
    Ribbon,
)
from btr_tm.sim.track.shapes import CELL_M, LEVEL_M

Array = np.ndarray
ASPHALT_GREY = "#c3c8cf"
SURFACES = {DIRT: "#c79a6b", GRASS: "#b9d7a8", TURBO: "#f0b23c"}
GATES = {START_GATE: GREEN, CHECKPOINT_GATE: BLUE, FINISH_GATE: ORANGE}
NAMED = 40  # blocks; of more, only the numbers are written
APART_CELLS = (1, 2, 5, 10, 20, 50, 100)  # between the lines of the grid
LINES = 24  # of the grid, at most


class Laid(NamedTuple):
    """The block that begins at a station."""

    station: int
    number: int  # from 1
    kind: str


def laid(block_numbers: Array, kinds: Sequence[str]) -> list[Laid]:
    """The blocks on stations (S,), whose block each is; one that is shorter than a station is left out."""
    first = np.flatnonzero(np.diff(block_numbers, prepend=0))
    return [Laid(int(at), int(block_numbers[at]), kinds[int(block_numbers[at]) - 1]) for at in first]


def track_picture(ribbon: Ribbon, blocks: Sequence[Laid], path: str | Path, title: str) -> Path:
    """Write the picture of a road, be it a track or not."""
    width, height = page_size(plan(ribbon.centre.numpy()))
    figure = Figure(figsize=(width, height + 2.0), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(height, 1.6))
    draw_map(above, ribbon, blocks)
    draw_height(below, ribbon, blocks)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=INK)
    return save(figure, path)


def draw_map(axes: Axes, ribbon: Ribbon, blocks: Sequence[Laid]) -> None:
    """The road, its fences and gates on a grid of cells, and the number of each block where it begins."""
    centre, right = ribbon.centre.numpy(), ribbon.right.numpy()
    half, wall = ribbon.half_width_m.numpy()[:, None], ribbon.wall_m.numpy()[:, None]
    left_edge, right_edge = plan(centre - half * right), plan(centre + half * right)
    for side in (-1, 1):
        axes.plot(*plan(centre + side * wall * right).T, color=GREY, lw=0.5)
    for first, last in pieces(ribbon):
        part = slice(first, last + 1)
        edge = np.concatenate([left_edge[part], right_edge[part][::-1]])
        axes.fill(*edge.T, color=SURFACES.get(int(ribbon.surface[first]), ASPHALT_GREY), lw=0)
    for station in np.flatnonzero(ribbon.gate.numpy()):
        ends = np.stack([left_edge[station], right_edge[station]])
        axes.plot(*ends.T, color=GATES[int(ribbon.gate[station])], lw=3, solid_capstyle="butt")
    for block in blocks:
        _mark(axes, block, left_edge[block.station], right_edge[block.station], len(blocks) <= NAMED)
    _grid(axes, plan(centre))


def pieces(ribbon: Ribbon) -> list[tuple[int, int]]:
    """First and past-the-last station of each stretch of road of one surface; none over the gap of a jump."""
    road, surface = ribbon.road.numpy() > 0.5, ribbon.surface.numpy()
    return sorted(piece for kind in np.unique(surface) for piece in stretches(road & (surface == kind)))


def _mark(axes: Axes, block: Laid, left: Array, right: Array, named: bool) -> None:
    axes.plot(*np.stack([left, right]).T, color="white", lw=0.8)
    text = f"{block.number} {block.kind}" if named else str(block.number)
    x, z = 8 * (right - left) / np.linalg.norm(right - left)
    upright = abs(z) > abs(x)  # so that names beside each other do not overlap
    beside = ("center", "bottom" if z > 0 else "top") if upright else ("left" if x > 0 else "right", "center")
    axes.annotate(
        text,
        tuple(right),
        xytext=(x, z),
        textcoords="offset points",
        rotation=90 if upright else 0,
        fontsize=7,
        color=INK,
        ha=beside[0],
        va=beside[1],
    )


def _grid(axes: Axes, points: Array) -> None:
    """Lines at whole cells; the road begins at [0, 0, 0], its middle."""
    apart = next(n for n in APART_CELLS if np.ptp(points, axis=0).max() / CELL_M / n <= LINES or n == 100)
    for axis, sign in ((axes.xaxis, -1), (axes.yaxis, 1)):
        axis.set_major_locator(MultipleLocator(apart * CELL_M))
        axis.set_major_formatter(
            FuncFormatter(lambda metres, _, sign=sign: f"{sign * metres / CELL_M + 0:g}")
        )
    axes.grid(color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.set_aspect("equal")
    axes.margins(0.12)
    axes.set_xlabel("x (cells)", color=INK, fontsize=9)
    axes.set_ylabel("z (cells)", color=INK, fontsize=9)
    axes.tick_params(colors=INK, labelsize=8, length=0)
    axes.spines[:].set_visible(False)


def draw_height(axes: Axes, ribbon: Ribbon, blocks: Sequence[Laid]) -> None:
    """Height over the way, with the blocks' numbers above."""
    height = ribbon.centre[:, 1].numpy()
    along = SPACING_M * np.arange(len(height))
    for first, last in stretches(ribbon.road.numpy() > 0.5):
        axes.plot(along[first:last], height[first:last] / LEVEL_M, color=INK, lw=1.4)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.5), max(high, 0.5))
    top = axes.get_ylim()[1]
    for block in blocks:
        axes.axvline(along[block.station], color=GRID, lw=0.8)
        if len(blocks) <= NAMED:
            axes.text(along[block.station], top, f"{block.number}", fontsize=7, color=GREY, ha="left")
    style(axes, "y (levels)")
    axes.set_xlabel("along the road (m)", color=INK, fontsize=9)
    axes.set_xlim(0, along[-1])


def plan(points: Array) -> Array:
    """Page coordinates (S, 2) of world points (S, 3), in metres."""
    return points[:, [0, 2]] * [-1.0, 1.0]
