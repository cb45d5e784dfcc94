"""Draws the evaluation returns of every seed: python experiments/lunar_lander/plot.py."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from btr_tm.report.plots import frames_text, series

HERE = Path(__file__).parent
COLOURS = ("#2166ac", "#d9722e", "#2a8a57")
SOLVED = 200  # reward threshold that Gymnasium registers for LunarLander-v3


def main() -> None:
    """Write curve.png beside the records."""
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    axes = figure.subplots()
    for record, colour in zip(sorted(HERE.glob("seed*.jsonl")), COLOURS, strict=True):
        rows = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
        label = record.stem.replace("seed", "seed ")
        axes.plot(*series(rows, "race/return"), color=colour, lw=0.8, alpha=0.35)
        axes.plot(*series(rows, "eval/return_mean"), color=colour, lw=1.8, marker="o", ms=4, label=label)
    axes.axhline(SOLVED, color="#22272e", lw=1.0, ls=(0, (5, 3)), label="solved (200)")
    axes.set_title("LunarLander-v3: mean return of 33 evaluation episodes (thin: training)", loc="left")
    axes.set_xlabel("frames (decisions of one lander)")
    axes.set_ylabel("return")
    axes.xaxis.set_major_formatter(FuncFormatter(frames_text))
    axes.set_xlim(left=0)
    axes.grid(color="#e3e6ea", lw=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(HERE / "curve.png", dpi=120, facecolor="white")


if __name__ == "__main__":
    main()
