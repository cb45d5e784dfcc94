"""`python -m btr_tm.watch`: a race as a film, with keys and action values."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from btr_tm.cli.commands import common as commands
from btr_tm.core.errors import UserError

SUFFIXES = (".inputs", ".txt")  # of races as text; TMInterface's own scripts are .txt files


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.watch",
        description="Film a race: of a run folder, a checkpoint or a policy file from the canonical start, "
        "or the one in an .inputs or .txt file of TMInterface. Without an argument the driver that comes "
        "with the package races.",
    )
    parser.add_argument("driver", metavar="RUN_OR_CHECKPOINT_OR_INPUTS", nargs="?", help="what to watch")
    parser.add_argument(
        "--out", metavar="FILE", default="race.mp4", help="where the film goes (default: race.mp4)"
    )
    parser.add_argument(
        "--fps",
        type=int,
        default=20,
        help="pictures per second of race time (default: 20); half as many take half the time",
    )
    commands.add_place(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Film; errors that a user can fix are one line on stderr."""
    commands.run(watch, parser(), argv)


def watch(arguments: argparse.Namespace) -> None:
    """Drive, film, and say where the film is."""
    began = time.monotonic()
    inputs = arguments.driver is not None and Path(arguments.driver).suffix.lower() in SUFFIXES
    path = watch_inputs(arguments) if inputs else watch_driver(arguments)
    print(f"{path} ({time.monotonic() - began:.0f} s)")


def watch_driver(arguments: argparse.Namespace) -> Path:
    """One race of a driver that does not explore."""
    import torch

    from btr_tm.cli.assembly.driver import load_driver
    from btr_tm.cli.commands.film import film_driver

    driver = load_driver(arguments.driver, arguments.device, arguments.track, arguments.plugin)
    evaluator = driver.parts.evaluator(0)
    with torch.inference_mode():  # a quarter faster than no_grad for one car
        race = evaluator.race(driver.policy).canonical
    evaluator.close()
    how = (
        f"finished in {race.time_ms / 1000:.2f} s" if race.finished else f"gave up at {race.progress_m:.0f} m"
    )
    print(f"{driver.name}: {how} on {driver.parts.track_name}; filming", flush=True)
    return film_driver(driver, race, arguments.out, arguments.fps)


def watch_inputs(arguments: argparse.Namespace) -> Path:
    """The race of an `.inputs` file, driven again."""
    from btr_tm.cli.commands.film import film_race
    from btr_tm.race.inputs_file import InputsFile
    from btr_tm.report.redrive import redrive
    from btr_tm.sim.track.load import load_track

    file = InputsFile.read(arguments.driver)
    name = arguments.track or file.track
    if not name:
        raise UserError(f"{arguments.driver} does not say its track; add --track NAME")
    track = load_track(name)
    race = redrive(track, file.actions)
    how = f"finished in {race.time_ms / 1000:.2f} s" if race.finished else "not finished"
    print(f"{arguments.driver}: {how} on {name}; filming", flush=True)
    return film_race(track, race, arguments.out, fps=arguments.fps)
