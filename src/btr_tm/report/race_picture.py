"""A race on the map of its track, turned as in films, and its speed below."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from btr_tm.report.plots import GREEN, GREY, INK, ROAD, page_size, save, stretches, style
from btr_tm.report.redrive import TICK_MS, Redriven
from btr_tm.report.track_picture import GATES, plan
from btr_tm.sim.track.ribbon import CHECKPOINT_GATE, FINISH_GATE, START_GATE, Track

Array = np.ndarray
VERGE, HIT = "#dcebd2", "#d62828"
MARK_S = 5  # between the time marks along the line
APART_S = 0.5  # between two hits of a wall that are marked by themselves
NAMES = {START_GATE: "start", CHECKPOINT_GATE: "", FINISH_GATE: "finish"}


def race_picture(track: Track, race: Redriven, author: Redriven | None, path: str | Path, title: str) -> Path:
    """Write the road with verge and fence, the line coloured by speed with a mark every MARK_S seconds, hits
    of a wall, and the author's line; below it the speed over time.
    """
    ribbon = track.ribbon
    centre, right = ribbon.centre.cpu().numpy(), ribbon.right.cpu().numpy()
    fences = [plan(centre + side * ribbon.wall_m.cpu().numpy()[:, None] * right) for side in (-1, 1)]
    edges = [plan(centre + side * ribbon.half_width_m.cpu().numpy()[:, None] * right) for side in (-1, 1)]
    size = page_size(np.concatenate(fences))
    figure = Figure(figsize=(size[0], size[1] + 1.9), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(size[1], 1.5))
    draw_road(above, track, edges, fences)
    if author is not None:
        above.plot(*plan(author.pose.position.numpy()).T, color=INK, lw=0.8, ls=(0, (4, 2)), label="author")
    colours = draw_line(above, race)
    draw_walls(above, race)
    if above.get_legend_handles_labels()[1]:
        above.legend(frameon=False, fontsize=9, loc="best")
    figure.colorbar(colours, ax=above, label="km/h", shrink=0.8, pad=0.01, aspect=30)
    draw_speed(below, race, author)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=INK)
    return save(figure, path)


def draw_road(axes: Axes, track: Track, edges: list[Array], fences: list[Array]) -> None:
    """Verge, road and fence of every stretch, none over the gap of a jump; the gates."""
    for first, last in stretches(track.ribbon.road.cpu().numpy() > 0.5):
        part = slice(first, last)
        for (left, right), colour in ((fences, VERGE), (edges, ROAD)):
            axes.fill(*np.concatenate([left[part], right[part][::-1]]).T, color=colour, lw=0)
        for fence in fences:
            axes.plot(*fence[part].T, color=GREY, lw=1.0)
    gates = track.ribbon.gate.cpu().numpy()
    for station in np.flatnonzero(gates):
        left, right = (edge[station] for edge in edges)
        colour, name = GATES[int(gates[station])], NAMES[int(gates[station])]
        axes.plot(*np.stack([left, right]).T, color=colour, lw=3, solid_capstyle="butt")
        axes.annotate(name, right + 0.8 * (right - left), ha="center", va="center", color=colour, fontsize=9)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.margins(0.04)


def draw_line(axes: Axes, race: Redriven) -> LineCollection:
    """The line coloured by speed, with its time marks."""
    line = plan(race.pose.position.numpy())
    axes.plot(*line.T, color="white", lw=3.6, solid_capstyle="round")
    pieces = list(np.stack([line[:-1], line[1:]], axis=1))
    coloured = LineCollection(pieces, cmap="turbo", lw=2.2, capstyle="round", zorder=3)
    coloured.set_array(race.speed_kmh.numpy()[1:])
    axes.add_collection(coloured)
    for number in range(1, race.time_ms // (1000 * MARK_S) + 1):
        tick = min(number * MARK_S * 1000 // TICK_MS, len(line)) - 1
        axes.plot(*line[tick], "o", ms=4.5, mfc="white", mec=INK, mew=0.9, zorder=4)
        axes.annotate(
            f"{number * MARK_S} s",
            line[tick],
            (7, 7),
            textcoords="offset points",
            fontsize=8,
            color=INK,
            zorder=5,
        )
    return coloured


def draw_walls(axes: Axes, race: Redriven) -> None:
    """A cross where a wall was hit, once for each time that it was."""
    hits = plan(race.pose.position.numpy())[wall_hits(race)]
    if len(hits):
        axes.plot(*hits.T, "x", ms=7, mew=2.0, color=HIT, zorder=5, label=f"wall hit ({len(hits)} times)")


def wall_hits(race: Redriven) -> Array:
    """(H,) int: the first tick of each contact with a wall, APART_S after the contact before."""
    ticks = np.flatnonzero(race.wall.numpy())
    apart = np.diff(ticks, prepend=-(10**9)) > APART_S * 1000 / TICK_MS
    return ticks[apart]


def draw_speed(axes: Axes, race: Redriven, author: Redriven | None) -> None:
    """Speed over time, the author's too, and the hits of a wall."""
    if author is not None:
        axes.plot(author.times_s, author.speed_kmh, color=GREEN, lw=1.0, ls=(0, (4, 2)), label="author")
    axes.plot(race.times_s, race.speed_kmh, color=INK, lw=1.2, label="this race")
    hits = wall_hits(race)
    axes.plot(race.times_s[hits], race.speed_kmh[hits], "x", ms=6, mew=1.8, color=HIT)
    axes.set_xlim(0, max(race.time_ms, author.time_ms if author else 0) / 1000)
    axes.set_ylim(bottom=0)
    style(axes, "km/h")
    axes.legend(frameon=False, fontsize=9, loc="lower right", ncols=2)
    axes.set_xlabel("race time (s)")
