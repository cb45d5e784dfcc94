"""`python -m btr_tm.watch`: a race as a film, with keys and action values."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from btr_tm.cli.commands import common as commands
from btr_tm.core.errors import UserError
from btr_tm.core.files import MIB, short

if TYPE_CHECKING:
    from btr_tm.race.inputs_file import InputsFile
    from btr_tm.report.film import Look, Racer, Scene
    from btr_tm.sim.track.ribbon import Track

SUFFIXES = (".inputs", ".txt", ".csv")  # of races as text: TMInterface's own scripts and tables of keys too


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.watch",
        description="Film a race: of a run folder, a checkpoint or a policy file from the canonical start, "
        "or the one in an .inputs or .txt file of TMInterface. Two of them race side by side. Without an "
        "argument the driver that comes with the package races.",
    )
    parser.add_argument(
        "drivers", metavar="RUN_OR_CHECKPOINT_OR_INPUTS", nargs="*", help="what to watch, one or two"
    )
    parser.add_argument(
        "--learning",
        action="store_true",
        help="film the first, the middle and the last evaluation of one run, one after the other",
    )
    parser.add_argument(
        "--out", metavar="FILE", default="race.mp4", help="where the film goes (default: race.mp4)"
    )
    parser.add_argument(
        "--fps",
        type=int,
        help="pictures per second of race time (default: 50, --small: 25); half as many take half the time",
    )
    parser.add_argument(
        "--small", action="store_true", help="640 x 360 points and about 1 MB, to send or to put on a page"
    )
    commands.add_place(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Film; errors that a user can fix are one line on stderr."""
    commands.run(watch, parser(), argv)


def watch(arguments: argparse.Namespace) -> None:
    """Drive, film, and say where the film is."""
    from btr_tm.cli.commands.film import refuse_film

    look = look_of(arguments)
    refuse_film(arguments.out, look.fps)
    if len(arguments.drivers) > 2:
        raise UserError(f"a film shows one or two drivers, got {len(arguments.drivers)}")
    began = time.monotonic()
    path = watch_learning(arguments, look) if arguments.learning else watch_races(arguments, look)
    size = path.stat().st_size / MIB if path.exists() else 0.0
    print(f"{path} ({size:.1f} MB, {time.monotonic() - began:.0f} s)")


def look_of(arguments: argparse.Namespace) -> Look:
    """How large, and how many pictures a second."""
    from btr_tm.report.film import FULL, SMALL

    look = SMALL if arguments.small else FULL
    return look if arguments.fps is None else look._replace(fps=arguments.fps)


def watch_races(arguments: argparse.Namespace, look: Look) -> Path:
    """One race of each driver, side by side."""
    from btr_tm.cli.commands.film import film_racers

    found = [raced(each, arguments) for each in arguments.drivers or [None]]
    (track, _), *others = found
    for other, _ in others:
        if not track.same_road(other):
            named = [track.name, other.name]
            what = " and ".join(named) if named[0] != named[1] else f"both of them called {track.name}"
            raise UserError(f"the two are on different tracks, {what}; add --track NAME to put both on one")
    print("filming", flush=True)
    return film_racers(track, [racer for _, racer in found], arguments.out, look)


def raced(where: str | None, arguments: argparse.Namespace) -> tuple[Track, Racer]:
    """The race of a driver that does not explore, or the one in an `.inputs` file, driven again."""
    inputs = where is not None and Path(where).suffix.lower() in SUFFIXES
    return raced_inputs(str(where), arguments) if inputs else raced_driver(where, arguments)


def raced_driver(where: str | None, arguments: argparse.Namespace) -> tuple[Track, Racer]:
    """One race of a driver that does not explore."""
    from btr_tm.cli.assembly.driver import load_driver
    from btr_tm.cli.commands.film import racer_of, refuse_elsewhere
    from btr_tm.metrics.summary_text import metres_text, race_time_text

    driver = load_driver(where, arguments.device, arguments.track, arguments.plugin)
    refuse_elsewhere(driver)
    races = driver.parts.races(starts=0)
    race = races.drive(driver.policy, driver.parts.clock.frames).canonical
    races.close()
    seconds, metres = race_time_text(race.time_ms / 1000), metres_text(race.progress_m)
    how = f"finished in {seconds}" if race.finished else f"gave up at {metres}"
    print(f"{driver.name}: {how} on {driver.parts.track_name}", flush=True)
    return driver.parts.track, racer_of(driver, race)


def raced_inputs(where: str, arguments: argparse.Namespace) -> tuple[Track, Racer]:
    """The race of an `.inputs` file, driven again."""
    from btr_tm.race.inputs_file import InputsFile
    from btr_tm.report.film import Racer
    from btr_tm.report.redrive import redrive, told_otherwise
    from btr_tm.report.summary import outcome

    file = InputsFile.read(where)
    track = track_of(file, Path(where), arguments.track)
    race = redrive(track, file.actions)
    told = told_otherwise(file, race)
    print(f"{where}: {outcome(race)} on {track.name}{f'; {told}' if told else ''}", flush=True)
    return track, Racer(where, race)


def watch_learning(arguments: argparse.Namespace, look: Look) -> Path:
    """The first, the middle and the last evaluation of a run."""
    from btr_tm.cli.assembly.driver import load_driver
    from btr_tm.cli.commands.film import film_scenes, learning_scenes, refuse_elsewhere

    if len(arguments.drivers) != 1 or not Path(arguments.drivers[0]).is_dir():
        raise UserError("--learning films the evaluations of one run; name its folder")
    if arguments.track is not None:
        raise UserError("--learning films a run on the track that it was trained on; leave out --track")
    driver = load_driver(arguments.drivers[0], arguments.device, None, arguments.plugin)
    refuse_elsewhere(driver)
    scenes = learning_scenes(Path(arguments.drivers[0]), driver)
    for each in scenes:
        print(f"{each.racers[0].name}: {outcome_of(each)}", flush=True)
    return film_scenes(scenes, arguments.out, look)


def outcome_of(scene: Scene) -> str:
    """How the first racer of a scene ended."""
    from btr_tm.report.summary import outcome

    return outcome(scene.racers[0].race)


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
