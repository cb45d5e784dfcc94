"""`python -m btr_tm.watch`: a race as a film, with keys and action values."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from btr_tm.cli.commands import common as commands
from btr_tm.core.errors import UserError
from btr_tm.core.files import short

if TYPE_CHECKING:
    from btr_tm.race.inputs_file import InputsFile
    from btr_tm.sim.track.ribbon import Track

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
    from btr_tm.cli.commands.film import refuse_film

    refuse_film(arguments.out, arguments.fps)
    began = time.monotonic()
    inputs = arguments.driver is not None and Path(arguments.driver).suffix.lower() in SUFFIXES
    path = watch_inputs(arguments) if inputs else watch_driver(arguments)
    print(f"{path} ({time.monotonic() - began:.0f} s)")


def watch_driver(arguments: argparse.Namespace) -> Path:
    """One race of a driver that does not explore."""
    from btr_tm.cli.assembly.driver import load_driver
    from btr_tm.cli.commands.film import film_driver, refuse_elsewhere
    from btr_tm.metrics.summary_text import metres_text, race_time_text

    driver = load_driver(arguments.driver, arguments.device, arguments.track, arguments.plugin)
    refuse_elsewhere(driver)
    races = driver.parts.races(starts=0)
    race = races.drive(driver.policy, driver.parts.clock.frames).canonical
    races.close()
    seconds, metres = race_time_text(race.time_ms / 1000), metres_text(race.progress_m)
    how = f"finished in {seconds}" if race.finished else f"gave up at {metres}"
    print(f"{driver.name}: {how} on {driver.parts.track_name}; filming", flush=True)
    return film_driver(driver, race, arguments.out, arguments.fps)


def watch_inputs(arguments: argparse.Namespace) -> Path:
    """The race of an `.inputs` file, driven again."""
    from btr_tm.cli.commands.film import film_race
    from btr_tm.race.inputs_file import InputsFile
    from btr_tm.report.redrive import redrive
    from btr_tm.report.summary import outcome

    file = InputsFile.read(arguments.driver)
    track = track_of(file, Path(arguments.driver), arguments.track)
    race = redrive(track, file.actions)
    print(f"{arguments.driver}: {outcome(race)} on {track.name}; filming", flush=True)
    return film_race(track, race, arguments.out, fps=arguments.fps)


def track_of(file: InputsFile, path: Path, chosen: str | None) -> Track:
    """The track that was chosen, else that of the inputs."""
    from btr_tm.report.redrive import track_beside
    from btr_tm.sim.track.load import HALF_WIDTH_M, load_track

    if chosen is not None:
        return load_track(chosen, file.half_width_m or HALF_WIDTH_M)
    if not file.track:
        raise UserError(f"{path} does not say its track; add --track NAME")
    track = track_beside(file, path)
    if track is None:
        raise UserError(
            f"{path} was driven on the track {short(file.track)}, which neither ships nor lies beside it; "
            "add --track and the path of its .yaml or .npy file"
        )
    return track
