"""`python -m btr_tm.evaluate`: races of a trained driver without exploration, as a table."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from btr_tm.cli.commands import common as commands
from btr_tm.core.errors import UserError

if TYPE_CHECKING:
    from btr_tm.cli.assembly.driver import Driver
    from btr_tm.run.evaluation_races import InlineRaces, Result, Tell

LINE_S = 10.0
SPEEDS = ("running_speed=", "env.running_speed=")
SHOWN = 40  # races listed one by one; the figures below the table cover all


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.evaluate",
        description="Race a trained driver without exploration: once from the canonical start, the rest from "
        "seeded starts, which are the same for every driver.",
    )
    parser.add_argument(
        "driver",
        metavar="RUN_OR_CHECKPOINT",
        help="a run folder, a checkpoint or a policy file; with --sections also an .inputs file",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="drive elsewhere: env=tminterface map=A01-Race.Challenge.Gbx; with running_speed=1 the game is "
        "driven at the speed of training and at real time, and both are shown",
    )
    parser.add_argument(
        "--races", type=commands.at_least_one, default=33, help="number of races (default: 33)"
    )
    parser.add_argument(
        "--video", metavar="FILE", nargs="?", const="race.mp4", help="film the canonical race"
    )
    parser.add_argument(
        "--sections",
        metavar="FILE",
        nargs="?",
        const="",
        help="a table of where the canonical race loses time against the author's, section by section; with "
        "FILE (.png) also a map of it",
    )
    commands.add_place(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate; errors that a user can fix are one line on stderr."""
    commands.run(evaluate, parser(), argv, mixed=True)


def evaluate(arguments: argparse.Namespace) -> None:
    """Drive, print the tables, film."""
    from btr_tm.cli.assembly.driver import load_driver
    from btr_tm.cli.commands.film import driven_again, film_driver, refuse_elsewhere, refuse_film
    from btr_tm.cli.commands.sections import refuse_sections, show_sections
    from btr_tm.cli.commands.watch import SUFFIXES

    wanted = arguments.sections is not None
    if wanted and Path(arguments.driver).suffix.lower() in SUFFIXES:
        return compare_inputs(arguments)
    if arguments.video:
        refuse_film(arguments.video)
    if any(override.startswith(SPEEDS) for override in arguments.overrides):
        return at_two_speeds(arguments)
    place = (arguments.device, arguments.track, arguments.plugin, arguments.overrides)
    driver = load_driver(arguments.driver, *place)
    if arguments.video or wanted:
        refuse_elsewhere(driver)
    author = refuse_sections(driver.parts.track, arguments.sections) if wanted else None
    races = driver.parts.races(arguments.races - 1)
    result = shown_races(driver, races)
    if author is not None:
        race = driven_again(driver, result.canonical)
        show_sections(driver.parts.track, race, author, arguments.sections)
    if arguments.video:
        print(film_driver(driver, result.canonical, arguments.video))


def shown_races(driver: Driver, races: InlineRaces) -> Result:
    """Drive them and print the tables."""
    print(f"{driver.name}, on {driver.parts.track_name}", flush=True)
    try:
        with telling(races.env.num_envs) as tell:
            result = races.drive(driver.policy, driver.parts.clock.frames, tell)
        evaluator = driver.parts.evaluator(races, races.env.decision_ms)
        show(result, evaluator.summarise(result))
    finally:
        races.close()
    return result


def at_two_speeds(arguments: argparse.Namespace) -> None:
    """The same race at the usual speed of the game and at the one that is asked for, and both times."""
    from btr_tm.cli.assembly.driver import load_driver
    from btr_tm.cli.commands.film import refuse_elsewhere

    times: dict[float, str] = {}
    usual = [override for override in arguments.overrides if not override.startswith(SPEEDS)]
    for overrides in (usual, arguments.overrides):
        place = (arguments.device, arguments.track, arguments.plugin, overrides)
        driver = load_driver(arguments.driver, *place)
        if arguments.video or arguments.sections is not None:
            refuse_elsewhere(driver)
        speed = driver.parts.values["env"].get("running_speed")
        if speed is None:
            raise UserError("running_speed is of a game; write env=tminterface before it")
        if speed not in times:
            print(f"at {speed:g} times real time: ", end="")
            times[speed] = _time_of(shown_races(driver, driver.parts.races(arguments.races - 1)))
    print("the canonical race: " + ", ".join(f"{time} at {speed:g}x" for speed, time in times.items()))


def _time_of(result: Result) -> str:
    """Of the canonical race, to the millisecond."""
    if not result.finished[0]:
        return f"no finish ({float(result.progress_m[0]):,.1f} m)"
    return f"{float(result.time_s[0]):.3f} s"


def compare_inputs(arguments: argparse.Namespace) -> None:
    """The race of an .inputs file against the author's."""
    from btr_tm.cli.commands.sections import refuse_sections, show_sections
    from btr_tm.cli.commands.watch import track_of
    from btr_tm.race.inputs_file import InputsFile
    from btr_tm.report.redrive import redrive, told_otherwise

    if arguments.video:
        raise UserError("evaluate films drivers only; film key presses with python -m btr_tm.watch")
    file = InputsFile.read(arguments.driver)
    track = track_of(file, Path(arguments.driver), arguments.track)
    author = refuse_sections(track, arguments.sections)
    race = redrive(track, file.actions)
    told = told_otherwise(file, race)
    print(f"{arguments.driver}, on {track.name}{f'; {told}' if told else ''}")
    show_sections(track, race, author, arguments.sections)


@contextmanager
def telling(races: int) -> Iterator[Tell]:
    """What shows on stderr how far the races are: a bar that goes away, or a line every ten seconds."""
    from rich.console import Console
    from rich.progress import Progress

    from btr_tm.metrics.summary_text import clock_text

    began = said = time.monotonic()

    def tell(decisions: int, over: int) -> None:
        nonlocal said
        bar.update(task, completed=over, description=f"{decisions:,} decisions, {over} of {races} races over")
        now = time.monotonic()
        if not bar.console.is_terminal and now >= said + LINE_S:
            said = now
            line = f"{decisions:,} decisions, {over} of {races} races over after {clock_text(now - began)}"
            print(line, file=sys.stderr, flush=True)

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=races)
        yield tell


def show(result: Result, figures: dict[str, float]) -> None:
    """Print one line per race and the figures that have a value."""
    from rich.console import Console
    from rich.table import Table

    from btr_tm.metrics.summary_text import figure_text, metres_text, race_time_text

    table = Table(box=None, header_style="bold", padding=(0, 2))
    for heading in ("race", "start", "time", "progress", "return"):
        table.add_column(heading, justify="left" if heading == "start" else "right")
    rows = zip(result.finished, result.time_s, result.progress_m, result.reward, strict=True)
    for number, (finished, time_s, progress, reward) in list(enumerate(rows))[:SHOWN]:
        start = "seeded" if number else "canonical"
        took = race_time_text(float(time_s)) if finished else "--"
        table.add_row(str(number), start, took, metres_text(float(progress)), f"{float(reward):.3f}")
    console = Console()
    console.print(table)
    if len(result.finished) > SHOWN:
        console.print(f"and {len(result.finished) - SHOWN} more")
    for name, value in figures.items():
        if math.isfinite(value):  # else the figure does not exist
            console.print(f"  {name:<22} {figure_text(f'eval/{name}', value)}", highlight=False)
