"""Whether the memory of a long run grows: the resident size of its process over frames."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import psutil
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from btr_tm.metrics.meter import Row
from btr_tm.report.plots import BLUE, GREY, frames_text, save, style

WARM_UP = 0.2  # share of the frames in which replay fills up, and the first evaluation and checkpoint happen
WINDOW = 0.1  # share of the readings after it whose median begins and ends the comparison


class Resident:
    """A sink that reads the resident size of its process at each row."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.mib: list[float] = []
        self._process = psutil.Process()

    def write(self, row: Row) -> None:
        self.frames.append(int(row["frames"]))
        self.mib.append(self._process.memory_info().rss / 2**20)

    def close(self) -> None:
        pass


def growth(frames: Sequence[int], mib: Sequence[float]) -> float:
    """MiB gained after the warm-up: median of the last readings minus median of the first."""
    after = [size for at, size in zip(frames, mib, strict=True) if at > WARM_UP * frames[-1]]
    count = max(1, round(WINDOW * len(after)))
    return statistics.median(after[-count:]) - statistics.median(after[:count])


def plot(frames: Sequence[int], mib: Sequence[float], path: str | Path) -> Path:
    """Resident size over frames, from 0."""
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(frames, mib, color=BLUE, lw=1.4)
    axes.axvline(WARM_UP * frames[-1], color=GREY, lw=1.0, ls="--", label="end of the warm-up")
    style(axes, "resident memory (MiB)")
    axes.set_xlabel("frames (decisions, summed over cars)")
    axes.xaxis.set_major_formatter(FuncFormatter(frames_text))
    axes.set_xlim(0, frames[-1])
    axes.set_ylim(0, 1.15 * max(mib))
    axes.set_title(f"{growth(frames, mib):+.1f} MiB after the warm-up", loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return save(figure, path)
