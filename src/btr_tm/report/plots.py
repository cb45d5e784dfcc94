"""Pictures of a run: its learning curve, and the line of a race over the road. No global pyplot state."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from btr_tm.core.files import write_atomic
from btr_tm.metrics.meter import Row
from btr_tm.metrics.summary_text import race_time_text
from btr_tm.sim.track.ribbon import Track

Array = np.ndarray
INK, GRID, ROAD, VERGE = "#22272e", "#e3e6ea", "#d3d7dc", "#eef0f2"
BLUE, ORANGE, GREEN, GREY = "#2166ac", "#d9722e", "#2a8a57", "#8b949e"
DPI = 150


def series(rows: Sequence[Row], name: str) -> tuple[Array, Array]:
    """Frames and values of the rows that have the metric `name`."""
    found = [(row["frames"], row[name]) for row in rows if name in row]
    return np.array([frames for frames, _ in found]), np.array([value for _, value in found])


def learning_curve(
    rows: Sequence[Row], path: str | Path, title: str, author_time_s: float | None = None
) -> Path:
    """Race times and finish rates over frames (returns instead of times if no race was finished)."""
    figure = Figure(figsize=(8.0, 6.0), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    timed = any("eval/canonical_time_s" in row or "eval/mean_time_s" in row for row in rows)
    (_draw_times if timed else _draw_returns)(top, rows)
    if timed:
        _set_time_range(top, rows, author_time_s or np.inf)
    _draw_rates(bottom, rows)
    bottom.set_xlabel("frames (decisions of one car)")
    bottom.set_xlim(left=0)
    bottom.xaxis.set_major_formatter(FuncFormatter(frames_text))
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=INK)
    return save(figure, path)


def _draw_times(axes: Axes, rows: Sequence[Row]) -> None:
    frames, mean = series(rows, "eval/mean_time_s")
    _, spread = series(rows, "eval/std_time_s")
    axes.fill_between(frames, mean - spread, mean + spread, color=BLUE, alpha=0.15, lw=0)
    axes.plot(frames, mean, color=BLUE, lw=1.4, label="seeded starts, mean and spread")
    axes.plot(*series(rows, "eval/canonical_time_s"), "o", ms=3.2, color=ORANGE, label="canonical start")
    axes.step(
        *series(rows, "eval/best_canonical_time_s"), where="post", color=INK, lw=1.6, label="best so far"
    )
    style(axes, "race time (s)")
    axes.legend(frameon=False, fontsize=9, loc="upper right")


def _set_time_range(axes: Axes, rows: Sequence[Row], author_time_s: float) -> None:
    """Leave out the slowest twentieth, so that the first lucky finishes do not flatten the curve."""
    times = np.concatenate([series(rows, f"eval/{name}_time_s")[1] for name in ("mean", "canonical")])
    low = min(times.min(), series(rows, "eval/best_time_s")[1].min(initial=np.inf), author_time_s)
    high = np.quantile(times, 0.95)
    margin = 0.08 * max(high - low, 0.5)
    axes.set_ylim(low - margin, high + 2 * margin)
    if author_time_s < np.inf:
        axes.axhline(author_time_s, color=GREEN, lw=1.2, ls=(0, (5, 3)))
        note_author(axes, author_time_s, GREEN)


def _draw_returns(axes: Axes, rows: Sequence[Row]) -> None:
    axes.plot(*series(rows, "race/return"), color=GREY, lw=1.0, label="training")
    axes.plot(*series(rows, "eval/return_mean"), color=BLUE, lw=1.6, marker="o", ms=3, label="evaluation")
    style(axes, "return")
    axes.legend(frameon=False, fontsize=9)


def _draw_rates(axes: Axes, rows: Sequence[Row]) -> None:
    axes.plot(*series(rows, "race/finish_rate"), color=GREY, lw=0.9, label="training races finished")
    axes.plot(
        *series(rows, "eval/progress_mean"), color=GREEN, lw=1.2, ls="--", label="share of track driven"
    )
    axes.plot(*series(rows, "eval/finish_rate"), color=BLUE, lw=1.8, label="seeded starts finished")
    style(axes, "share")
    axes.set_ylim(-0.03, 1.05)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(frameon=False, fontsize=9, loc="lower right")


def race_line(
    track: Track, positions: Array, speeds_kmh: Array, times_s: Array, path: str | Path, title: str
) -> Path:
    """The road from above with the driven line (T, 3) coloured by speed (T,), and speed over time below.

    Seen from above, never mirrored: x to the right and z down, or that turned.
    """
    edges = _edges(track)
    line = positions[:, [0, 2]] * [1, -1]
    extent = np.ptp(np.concatenate(edges), axis=0)
    if extent[1] > extent[0]:  # lay tall tracks on their side
        edges, line = (_turned(edges[0]), _turned(edges[1])), _turned(line)
    size = page_size(np.concatenate(edges))
    figure = Figure(figsize=(size[0], size[1] + 1.9), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(size[1], 1.5))
    _draw_road(above, track, edges)
    colours = _draw_speed_line(above, line, speeds_kmh)
    figure.colorbar(colours, ax=above, label="km/h", shrink=0.8, pad=0.01, aspect=30)
    below.plot(times_s, speeds_kmh, color=INK, lw=1.2)
    below.set_xlim(times_s[0], times_s[-1])
    below.set_ylim(bottom=0)
    style(below, "km/h")
    below.set_xlabel("race time (s)")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=INK)
    return save(figure, path)


def _edges(track: Track) -> tuple[Array, Array]:
    """Left and right edge of the road in page coordinates (S, 2)."""
    ribbon = track.ribbon
    centre, right = ribbon.centre.cpu().numpy(), ribbon.right.cpu().numpy()
    width = ribbon.half_width_m.cpu().numpy()[:, None]
    page = np.array([1.0, -1.0])
    return (centre - right * width)[:, [0, 2]] * page, (centre + right * width)[:, [0, 2]] * page


def _turned(points: Array) -> Array:
    """A quarter turn counter-clockwise of page coordinates (S, 2)."""
    return np.stack([-points[:, 1], points[:, 0]], axis=1)


def page_size(points: Array, longest: float = 9.0, least: float = 2.5) -> tuple[float, float]:
    """Width and height in inches that fit the points at one scale."""
    extent = np.ptp(points, axis=0) + 40.0
    width, height = extent * longest / extent.max()
    return max(float(width), 6.0), max(float(height), least)


def _draw_road(axes: Axes, track: Track, edges: tuple[Array, Array]) -> None:
    left, right = edges
    road = track.ribbon.road.cpu().numpy() > 0.5
    for first, last in stretches(road):
        part = slice(first, last)
        axes.fill(*np.concatenate([left[part], right[part][::-1]]).T, color=ROAD, lw=0)
        for edge in edges:
            axes.plot(*edge[part].T, color="white", lw=1.2)
            axes.plot(*edge[part].T, color=GREY, lw=0.5)
    for kind, colour, name in ((1, GREEN, "start"), (2, BLUE, ""), (3, ORANGE, "finish")):
        for station in np.flatnonzero(track.ribbon.gate.cpu().numpy() == kind):
            axes.plot(*np.stack([left[station], right[station]]).T, color=colour, lw=3, solid_capstyle="butt")
            beside = right[station] + 0.5 * (right[station] - left[station])
            axes.annotate(name, beside, ha="center", va="center", color=colour, fontsize=9)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.margins(0.03)


def stretches(mask: Array) -> list[tuple[int, int]]:
    """First and past-the-last index of each run of True."""
    steps = np.diff(np.concatenate([[0], mask.astype(int), [0]]))
    return list(zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True))


def _draw_speed_line(axes: Axes, line: Array, speeds_kmh: Array) -> LineCollection:
    pieces = np.stack([line[:-1], line[1:]], axis=1)
    axes.plot(*line.T, color="white", lw=4.5, solid_capstyle="round")
    coloured = LineCollection(list(pieces), cmap="turbo", lw=2.6, capstyle="round", zorder=3)
    coloured.set_array(speeds_kmh[1:])
    axes.add_collection(coloured)
    return coloured


def frames_text(frames: float, _position: int | None = None) -> str:
    """250k, 1.5M."""
    if abs(frames) >= 1e6:
        return f"{frames / 1e6:g}M"
    return f"{frames / 1e3:g}k" if abs(frames) >= 1e3 else f"{frames:g}"


def note_author(axes: Axes, author_time_s: float, colour: str) -> None:
    """Write the author time at the left end of its line."""
    axes.annotate(
        f"author {race_time_text(author_time_s)}",
        (0.0, author_time_s),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        xytext=(6, 3),
        color=colour,
        fontsize=9,
    )


def style(axes: Axes, label: str) -> None:
    """Quiet axes with this label on the ordinate."""
    axes.set_ylabel(label, color=INK)
    axes.grid(color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=9)


def save(figure: Figure, path: str | Path) -> Path:
    """Write the picture and the folders it needs."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:], dpi=DPI, facecolor="white")
    write_atomic(path, picture.getvalue())
    return path
