"""Draws scaling.png from scaling.json."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from btr_tm.report.plots import BLUE, ORANGE, save, style

HERE = Path(__file__).parent
COLOURS = {"kernel": BLUE, "eager": ORANGE}


def main() -> None:
    content = json.loads((HERE / "scaling.json").read_text(encoding="utf-8"))
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    for axes, (image, title) in zip(
        figure.subplots(1, 2, sharey=True),
        (([64, 64], "with a picture, 64 x 64"), ([0, 0], "no picture")),
        strict=True,
    ):
        for way, colour in COLOURS.items():
            points = [each for each in content["results"] if each["way"] == way and each["image"] == image]
            cars = [each["cars"] for each in points]
            rates = [1000 * each["cars"] / statistics.median(each["ms"]) for each in points]
            axes.plot(cars, rates, "o-", ms=4, lw=1.6, color=colour, label=way)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=10)
        axes.set_xticks(sorted({each["cars"] for each in content["results"]}))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}"))
        axes.set_xlabel(f"cars, {title}")
        style(axes, "decisions per second of CPU time")
        axes.legend(frameon=False, fontsize=9)
    figure.suptitle(
        f"{content['machine']['cpu']}, one thread, load {content['machine']['load']} before", fontsize=12
    )
    save(figure, HERE / "scaling.png")


if __name__ == "__main__":
    main()
