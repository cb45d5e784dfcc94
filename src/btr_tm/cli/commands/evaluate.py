"""`python -m btr_tm.evaluate`: races of a trained driver without exploration, as a table."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from btr_tm.cli.commands import common as commands

if TYPE_CHECKING:
    from btr_tm.run.evaluate import Result

SHOWN = 40  # races listed one by one; the figures below the table cover all


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.evaluate",
        description="Race a trained driver without exploration: once from the canonical start, the rest from "
        "seeded starts, which are the same for every driver.",
    )
    parser.add_argument(
        "driver", metavar="RUN_OR_CHECKPOINT", help="a run folder, a checkpoint or a policy file"
    )
    parser.add_argument(
        "--races", type=commands.at_least_one, default=33, help="number of races (default: 33)"
    )
    parser.add_argument(
        "--video", metavar="FILE", nargs="?", const="race.mp4", help="film the canonical race"
    )
    commands.add_place(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate; errors that a user can fix are one line on stderr."""
    commands.run(evaluate, parser(), argv)


def evaluate(arguments: argparse.Namespace) -> None:
    """Drive, print the table, film."""
    from btr_tm.cli.assembly.driver import load_driver
    from btr_tm.cli.commands.film import film_driver, refuse_elsewhere, refuse_film

    if arguments.video:
        refuse_film(arguments.video)
    driver = load_driver(arguments.driver, arguments.device, arguments.track, arguments.plugin)
    if arguments.video:
        refuse_elsewhere(driver)
    evaluator = driver.parts.evaluator(arguments.races - 1)
    result = evaluator.race(driver.policy)
    print(f"{driver.name}, on {driver.parts.track_name}")
    show(result, evaluator.summarise(result))
    evaluator.close()
    if arguments.video:
        print(film_driver(driver, result.canonical, arguments.video))


def show(result: Result, figures: dict[str, float]) -> None:
    """Print one line per race and the figures that have a value."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 2))
    for heading in ("race", "start", "time (s)", "progress", "return"):
        table.add_column(heading, justify="left" if heading == "start" else "right")
    rows = zip(result.finished, result.time_s, result.progress_m, result.reward, strict=True)
    for number, (finished, time_s, progress, reward) in list(enumerate(rows))[:SHOWN]:
        start = "seeded" if number else "canonical"
        time = f"{float(time_s):.2f}" if finished else "--"
        table.add_row(str(number), start, time, f"{float(progress):.1f}", f"{float(reward):.2f}")
    console = Console()
    console.print(table)
    if len(result.finished) > SHOWN:
        console.print(f"and {len(result.finished) - SHOWN} more")
    for name, value in figures.items():
        if math.isfinite(value):  # else the figure does not exist
            console.print(f"  {name:<22} {value:.3f}", highlight=False)
