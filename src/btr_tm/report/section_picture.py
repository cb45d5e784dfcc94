"""Where time is lost, as a picture: the track from above, and both speeds along the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from btr_tm.report.plots import BLUE, GREY, INK, page_size, save, style
from btr_tm.report.redrive import Redriven
from btr_tm.report.section_text import ending
from btr_tm.report.sections import Compared, furthest
from btr_tm.report.track_picture import draw_map, plan
from btr_tm.sim.track.ribbon import Track

RED = "#b2182b"  # the end of the colours that stands for much time lost
COLOURS = "RdBu_r"
LEAST_S = 0.05  # of the scale: without it the colours of two equal races would show rounding


def section_picture(
    track: Track, compared: Sequence[Compared], driver: Redriven, author: Redriven, path: str | Path
) -> Path:
    """The driver's line coloured by time lost in each section, wall contacts; below, speed over metres."""
    width, height = page_size(plan(track.ribbon.centre.cpu().numpy()))
    figure = Figure(figsize=(width, height + 2.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(height, 2.2))
    coloured = draw_losses(above, track, compared, driver, author)
    figure.colorbar(coloured, ax=above, label="s lost in the section", shrink=0.8, pad=0.01, aspect=30)
    draw_speeds(below, track, compared, driver, author)
    title = f"{track.name}: {ending(compared, driver, author)}"
    head = figure.legend(handles=signs(), title=title, frameon=False, loc="outside upper left", ncols=3)
    head.set(alignment="left")
    return save(figure, path)


def draw_losses(
    axes: Axes, track: Track, compared: Sequence[Compared], driver: Redriven, author: Redriven
) -> LineCollection:
    """The map; gives the coloured line."""
    draw_map(axes, track.ribbon, [])
    axes.set_axis_off()
    axes.plot(*plan(author.pose.position.numpy()).T, color=INK, lw=0.8, ls=(0, (4, 3)))
    line = plan(driver.pose.position.numpy())
    lost = np.array([each.lost_s for each in compared])
    ends = [each.section.last_m for each in compared]
    within = np.searchsorted(ends, furthest(track, driver)[1:]).clip(max=len(lost) - 1)
    pieces = list(np.stack([line[:-1], line[1:]], axis=1))
    scale = CenteredNorm(halfrange=max(np.abs(lost).max(), LEAST_S))
    coloured = LineCollection(pieces, cmap=COLOURS, norm=scale, lw=3, capstyle="round", zorder=3)
    coloured.set_array(lost[within][1:])
    axes.add_collection(coloured)
    touching = driver.wall.numpy() != 0
    axes.plot(*line[touching].T, ".", color=INK, ms=4, zorder=4)
    return coloured


def signs() -> list[Line2D]:
    """What the lines and dots of the map mean."""
    return [
        Line2D([], [], color=RED, lw=3, label="driver"),
        Line2D([], [], color=INK, lw=0.8, ls=(0, (4, 3)), label="author"),
        Line2D([], [], color=INK, marker=".", ls="", label="driver against the fence"),
    ]


def draw_speeds(
    axes: Axes, track: Track, compared: Sequence[Compared], driver: Redriven, author: Redriven
) -> None:
    """Both speeds over metres from the start; sections that lose time are shaded, the darker the more."""
    most = max(*(each.lost_s for each in compared), LEAST_S)
    for each in compared:
        shade = 0.35 * max(each.lost_s, 0.0) / most
        axes.axvspan(each.section.first_m, each.section.last_m, color=RED, alpha=shade, lw=0)
    for race, colour, name in ((author, GREY, "author"), (driver, BLUE, "driver")):
        axes.plot(furthest(track, race)[1:], race.speed_kmh.numpy(), color=colour, lw=1.4, label=name)
    touching = driver.wall.numpy() != 0
    metres = furthest(track, driver)[1:]
    axes.plot(
        metres[touching], np.zeros(touching.sum()), "|", color=INK, ms=9, label="driver against the fence"
    )
    style(axes, "km/h")
    axes.set_xlim(0, max(each.section.last_m for each in compared))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("metres from the start", color=INK, fontsize=9)
    axes.legend(frameon=False, fontsize=9, loc="lower right", ncols=3)
