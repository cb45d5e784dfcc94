"""Draws the scores of both games beside random play: python experiments/atari/plot.py."""

from __future__ import annotations

import json
import re
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, StrMethodFormatter

from btr_tm.report.plots import BLUE, frames_text, series, style

HERE = Path(__file__).parent
DARK, FAINT = "#22272e", 0.35
PUBLISHED = {  # human (DQN Zoo's constants), and BTR after 50 million decisions
    "MsPacman": (6_951.6, 8_621),
    "CrazyClimber": (35_829.4, 123_022),
}


def panel(axes: Axes, game: str, chance: float) -> None:
    """Evaluations joined, training games as dots, random play dashed; the published figures in words."""
    record = HERE / "records" / f"{game}_seed0.jsonl"
    rows = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    driven = series(rows, "race/return")
    axes.plot(*driven, "o", color=BLUE, ms=4, mew=0, alpha=FAINT, label="training games, with noise")
    frames, means = (list(column) for column in series(rows, "eval/return_mean"))
    last = (HERE / "records" / f"{game}_evaluation.txt").read_text(encoding="utf-8")
    frames.append(int(re.search(r"after ([\d,]+) frames", last)[1].replace(",", "")))
    means.append(float(re.search(r"return_mean +([\d.]+)", last)[1]))
    axes.plot(frames, means, color=BLUE, lw=1.8, marker="o", ms=4, label="evaluation, without noise")
    axes.axhline(chance, color=DARK, lw=1.0, ls=(0, (5, 3)), label=f"random actions: {chance:,.0f}")
    human, btr = PUBLISHED[game]
    published = f"human {human:,.0f}, BTR {btr:,} with 50 million decisions"
    axes.set_title(f"{game}\n{published}", loc="left", fontsize=10)
    style(axes, "score")
    axes.set_xlabel("decisions (4 emulator frames each)")
    axes.xaxis.set_major_formatter(FuncFormatter(frames_text))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.35 * axes.get_ylim()[1])  # room for the legend
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def main() -> None:
    """Write curves.png."""
    chance = json.loads((HERE / "random.json").read_text(encoding="utf-8"))
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    for axes, game in zip(figure.subplots(1, 2), PUBLISHED, strict=True):
        panel(axes, game, sum(chance[game]) / len(chance[game]))
    figure.savefig(HERE / "curves.png", dpi=120, facecolor="white")


if __name__ == "__main__":
    main()
