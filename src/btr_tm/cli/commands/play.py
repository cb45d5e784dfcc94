"""`python -m btr_tm.play`: drive in a window, against the author, a trained driver and your own best lap."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from btr_tm.cli.commands import common as commands
from btr_tm.cli.commands import serving
from btr_tm.core.errors import UserError

if TYPE_CHECKING:
    from btr_tm.play.game import Game
    from btr_tm.play.lap import Rival
    from btr_tm.race.inputs_file import InputsFile
    from btr_tm.sim.track.ribbon import Track

HEIGHTS = (360, 540, 720, 1080)
DRIVER = "driver"
HALF_WIDTH_M = 12.0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.play",
        description="Drive a track with the arrow keys, in a window, against recorded cars. Every "
        "finished lap is kept as an .inputs file.",
    )
    parser.add_argument(
        "--track", default="a01", help="a shipped track, a track file (.yaml) or a line (.npy) (default: a01)"
    )
    parser.add_argument(
        "--against",
        metavar="WHO",
        action="append",
        help="driver (the trained one that ships), author, a run folder, a checkpoint, a policy file or an "
        ".inputs file; may be repeated (default: driver on its own track, author elsewhere)",
    )
    parser.add_argument(
        "--laps", metavar="FOLDER", default="laps", help="where laps and records are kept (default: laps)"
    )
    parser.add_argument(
        "--height",
        type=int,
        choices=HEIGHTS,
        default=540,
        help="rows of the picture, which the window scales; fewer for a slow computer (default: 540)",
    )
    parser.add_argument("--full-screen", action="store_true", help="fill the screen")
    parser.add_argument("--device", default="auto", help="where a driver is driven: auto, cpu, cuda")
    serving.add_arguments(parser)
    commands.add_plugin(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Play; errors that a user can fix are one line on stderr."""
    commands.run(play, parser(), argv)


def play(arguments: argparse.Namespace) -> None:
    """Open the window, play until it is closed, and say what was driven."""
    from btr_tm.play.picture import Picture
    from btr_tm.play.window import Window, load_pygame, run

    load_pygame()  # before anything that takes seconds
    if arguments.serve:
        return serving.serve(arguments)
    commands.refuse_unwritable_folder(Path(arguments.laps))
    game = prepared(arguments)
    size = arguments.height, arguments.height * 16 // 9
    picture = Picture(game, size)
    window = Window(size, f"{game.track.name} - btr_tm", arguments.full_screen)
    try:
        shown = run(window, game, picture.draw)
    finally:
        window.close()
    print(said(game, shown.pictures / max(shown.seconds, 1e-9)), flush=True)


def prepared(arguments: argparse.Namespace) -> Game:
    """The game, with everyone who races along."""
    from btr_tm.play.game import Game
    from btr_tm.play.records import Records

    track = track_of(arguments)
    return Game(track, rivals(track, arguments), Records(track, Path(arguments.laps) / track.name))


def track_of(arguments: argparse.Namespace) -> Track:
    """What is driven."""
    from btr_tm.sim.track.load import load_track

    return load_track(arguments.track, HALF_WIDTH_M)


def rivals(track: Track, arguments: argparse.Namespace) -> list[Rival]:
    """Those of --against in solid colours; and the author as a ghost, if not among them."""
    from btr_tm.play.lap import Rival
    from btr_tm.play.picture import AUTHOR
    from btr_tm.report.film import GHOST, GHOST_OPACITY, PAINTS
    from btr_tm.report.redrive import redrive_author

    author = redrive_author(track)
    chosen = arguments.against or ([DRIVER] if shipped_race(track) else [AUTHOR] if author else [])
    if len(chosen) > len(PAINTS):
        raise UserError(f"at most {len(PAINTS)} can race along, got {len(chosen)}")
    found = []
    for who, paint in zip(chosen, PAINTS, strict=False):
        if who == AUTHOR and author is None:
            raise UserError(f"the track {track.name} has no author's race; leave out --against author")
        if who == AUTHOR and author is not None:
            found.append(Rival(AUTHOR, author, GHOST))
        else:
            found.append(rival(track, who, arguments)._replace(paint=paint))
    if author is not None and AUTHOR not in chosen:
        found.append(Rival(AUTHOR, author, GHOST, GHOST_OPACITY))
    return found


def rival(track: Track, who: str, arguments: argparse.Namespace) -> Rival:
    """A trained driver, or a recorded race, on this track."""
    from btr_tm.cli.commands.watch import SUFFIXES, raced
    from btr_tm.play.lap import Rival
    from btr_tm.report.film import GHOST
    from btr_tm.report.redrive import redrive_all
    from btr_tm.sim.kernel_world import KernelWorld

    recorded = shipped_race(track) if who == DRIVER else None
    if recorded is not None:
        (race,) = redrive_all(track, [recorded.actions], KernelWorld)  # its end is known: as the author's
        return Rival("trained driver", race, GHOST)
    told = argparse.Namespace(device=arguments.device, plugin=arguments.plugin, track=arguments.track)
    _, racer = raced(None if who == DRIVER else who, told)
    name = "trained driver" if who == DRIVER else Path(who).stem if who.endswith(SUFFIXES) else racer.name
    return Rival(name, racer.race, GHOST)


def shipped_race(track: Track) -> InputsFile | None:
    """The race of the trained driver that ships, where it has been recorded: driving it takes seconds."""
    from btr_tm.cli.assembly.driver import SHIPPED
    from btr_tm.race.inputs_file import InputsFile

    path = SHIPPED / f"{track.name}.inputs"
    return InputsFile.read(path) if track.source is None and path.is_file() else None


def said(game: Game, pictures_per_s: float) -> str:
    """What was driven, in a line."""
    from btr_tm.report.overlay import clock_text

    best = f"record {clock_text(game.best.time_ms)}" if game.best is not None else "no lap finished yet"
    return f"{game.track.name}: {best}; laps are in {game.records.folder} ({pictures_per_s:.0f} pictures/s)"
