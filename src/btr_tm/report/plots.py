"""Pictures of a run: its learning curve, and what all pictures share. No global pyplot state."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from btr_tm.core.files import write_atomic
from btr_tm.metrics.meter import Row
from btr_tm.metrics.summary_text import race_time_text

Array = np.ndarray
INK, GRID, ROAD = "#22272e", "#e3e6ea", "#d3d7dc"
BLUE, ORANGE, GREEN, GREY = "#2166ac", "#d9722e", "#2a8a57", "#8b949e"
DPI = 150
MEDALS = {"author": GREEN, "gold": "#b8860b", "silver": "#7d8590", "bronze": "#9c5a2b"}
NO_MEDALS: Mapping[str, float] = MappingProxyType({})


def series(rows: Sequence[Row], name: str) -> tuple[Array, Array]:
    """Frames and values of the rows that have the metric `name`."""
    found = [(row["frames"], row[name]) for row in rows if name in row]
    return np.array([frames for frames, _ in found]), np.array([value for _, value in found])


def learning_curve(
    rows: Sequence[Row], path: str | Path, title: str, medals_s: Mapping[str, float] = NO_MEDALS
) -> Path:
    """Race times and finish rates over frames, with the hours they took (returns instead of times if no race
    was finished); `medals_s` are times by the name of the medal.
    """
    figure = Figure(figsize=(8.0, 6.0), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    timed = any("eval/canonical_time_s" in row or "eval/mean_time_s" in row for row in rows)
    (_draw_times if timed else _draw_returns)(top, rows)
    if timed:
        _set_time_range(top, rows, medals_s.get("author", np.inf))
        _draw_medals(top, medals_s)
    _draw_rates(bottom, rows)
    bottom.set_xlabel("frames (decisions, summed over cars)")
    bottom.set_xlim(left=0)
    bottom.xaxis.set_major_formatter(FuncFormatter(frames_text))
    _show_hours(top, rows)
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
    axes.legend(facecolor="white", edgecolor="none", fontsize=9, loc="upper right")


def _set_time_range(axes: Axes, rows: Sequence[Row], author_time_s: float) -> None:
    """Leave out the slowest twentieth, so that the first lucky finishes do not flatten the curve."""
    times = np.concatenate([series(rows, f"eval/{name}_time_s")[1] for name in ("mean", "canonical")])
    low = min(times.min(), series(rows, "eval/best_time_s")[1].min(initial=np.inf), author_time_s)
    high = np.quantile(times, 0.95)
    margin = 0.08 * max(high - low, 0.5)
    axes.set_ylim(low - margin, high + 2 * margin)


def _draw_medals(axes: Axes, medals_s: Mapping[str, float]) -> None:
    """A line for each medal that the times shown come near."""
    low, high = axes.get_ylim()
    for name, time_s in medals_s.items():
        if low <= time_s <= high:
            axes.axhline(time_s, color=MEDALS[name], lw=1.2, ls=(0, (5, 3)))
            note_time(axes, name, time_s, MEDALS[name])


def _show_hours(axes: Axes, rows: Sequence[Row]) -> None:
    """The time that training took, on top."""
    frames, wall_s = series(rows, "wall_s")
    if not len(frames) or wall_s[-1] <= 0:
        return
    unit_s, unit = (3600, "hours") if wall_s[-1] >= 5400 else (60, "minutes")

    def time_text(at: float, _position: int | None = None) -> str:
        """At the marks of the frames: at round times they would collide where a run slows down."""
        return f"{np.interp(at, [0, *frames], [0, *wall_s]) / unit_s:.1f}" if at <= frames[-1] else ""

    above = axes.secondary_xaxis("top")
    above.xaxis.set_major_formatter(FuncFormatter(time_text))
    above.set_xlabel(f"{unit} of training", color=INK, fontsize=9)
    above.tick_params(colors=INK, labelsize=9)
    above.spines["top"].set_color(GREY)


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


def page_size(points: Array, longest: float = 9.0, least: float = 2.5) -> tuple[float, float]:
    """Width and height in inches that fit the points at one scale."""
    extent = np.ptp(points, axis=0) + 40.0
    width, height = extent * longest / extent.max()
    return max(float(width), 6.0), max(float(height), least)


def stretches(mask: Array) -> list[tuple[int, int]]:
    """First and past-the-last index of each run of True."""
    steps = np.diff(np.concatenate([[0], mask.astype(int), [0]]))
    return list(zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True))


def frames_text(frames: float, _position: int | None = None) -> str:
    """250k, 1.5M."""
    if abs(frames) >= 1e6:
        return f"{frames / 1e6:g}M"
    return f"{frames / 1e3:g}k" if abs(frames) >= 1e3 else f"{frames:g}"


def note_author(axes: Axes, author_time_s: float, colour: str) -> None:
    """Write the author time at the left end of its line."""
    note_time(axes, "author", author_time_s, colour)


def note_time(axes: Axes, name: str, time_s: float, colour: str) -> None:
    """Write a time with its name at the left end of its line."""
    axes.annotate(
        f"{name} {race_time_text(time_s)}",
        (0.0, time_s),
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
