"""`python -m btr_tm.game`: the plugin of a real game, and the ghosts that a run has moved away."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from btr_tm.cli.commands import common as commands


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.game",
        description="What surrounds TrackMania Nations Forever with TMInterface, and Trackmania 2020.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    install = verbs.add_parser("install", help="copy the plugin to where TMInterface loads it")
    install.add_argument(
        "--replace", action="store_true", help="also over a file that is not ours, which is kept beside it"
    )
    install.set_defaults(act=install_plugin)
    add_folder(install)
    telemetry = verbs.add_parser(
        "telemetry", help="copy the telemetry plugin for Trackmania 2020 to where Openplanet loads it"
    )
    telemetry.add_argument(
        "--openplanet",
        type=Path,
        default=Path.home() / "OpenplanetNext",
        metavar="FOLDER",
        help="OpenplanetNext of who plays (default: in the home folder)",
    )
    telemetry.set_defaults(act=install_telemetry)
    restore = verbs.add_parser("restore", help="put back ghosts that a run which crashed had moved away")
    restore.set_defaults(act=restore_ghosts)
    add_folder(restore)
    return parser


def add_folder(parser: argparse.ArgumentParser) -> None:
    """`--game-folder`."""
    parser.add_argument(
        "--game-folder",
        type=Path,
        metavar="FOLDER",
        help="Documents of who plays, the TMInterface folder in it, or a Wine prefix (default: searched)",
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Do what the command line says; errors that a user can fix are one line on stderr."""
    commands.run(lambda arguments: arguments.act(arguments), parser(), argv)


def install_plugin(arguments: argparse.Namespace) -> None:
    """Install into every folder that was found, or into the named one."""
    from btr_tm.game.folders import game_folders, this_machine
    from btr_tm.game.install import install

    for folders in game_folders(this_machine(), arguments.game_folder):
        for line in install(folders, arguments.replace):
            print(line)


def install_telemetry(arguments: argparse.Namespace) -> None:
    """Copy the plugin for Openplanet."""
    from btr_tm.game.openplanet_plugin import install

    print(install(arguments.openplanet))


def restore_ghosts(arguments: argparse.Namespace) -> None:
    """Put back what no program that runs needs away."""
    from btr_tm.game.folders import game_folders, this_machine
    from btr_tm.game.ghosts import Ghosts

    for folders in game_folders(this_machine(), arguments.game_folder):
        if folders.autosaves.parent.is_dir():
            back = Ghosts(folders.autosaves).recover()
            print(f"{folders.autosaves}: {', '.join(back) or 'nothing'} put back")
