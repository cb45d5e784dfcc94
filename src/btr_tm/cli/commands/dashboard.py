"""`python -m btr_tm.dashboard`: the workspace of Weights & Biases for our runs, made from code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from btr_tm.cli.commands import common as commands

FILE = "dashboard.json"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.dashboard",
        description="Make a view in Weights & Biases with some thirty panels that matter, a line for an arm, "
        f"and print its link. Where W&B is offline, the same is written as JSON ({FILE}). W&B only displays: "
        "its means leave out hidden runs and those beyond 100, so take figures from python -m btr_tm.compare "
        "and python -m btr_tm.ablate.",
        epilog="example: python -m btr_tm.dashboard quickstart --project btr_tm",
    )
    parser.add_argument(
        "sweep",
        metavar="NAME",
        nargs="?",
        default="",
        help="runs of this sweep only: quickstart or runs/quickstart",
    )
    parser.add_argument("--project", default="btr_tm", help="as logger.wandb.project (default: btr_tm)")
    parser.add_argument("--entity", default="", help="team or user (default: that of your account)")
    parser.add_argument("--json", metavar="FILE", default="", help="write JSON there and ask no server")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Make the view; errors that a user can fix are one line on stderr."""
    commands.run(show, parser(), argv)


def show(arguments: argparse.Namespace) -> None:
    """Save the view where W&B is online, else write it."""
    from btr_tm.core.errors import UserError
    from btr_tm.metrics.sinks.wandb_mode import check_project, choose_mode, settings_now

    check_project(arguments.project)
    if Path(arguments.sweep).is_dir():
        arguments.sweep = Path(arguments.sweep).resolve().name  # its folder, as other commands take it
    if arguments.json:
        return write(arguments, Path(arguments.json))
    mode, reason = choose_mode("auto", settings_now())
    if mode != "online":
        print(f"wandb is {mode} ({reason.partition(';')[0]})")
        return write(arguments, Path(FILE))
    try:
        print(saved(arguments))
    except UserError:
        write(arguments, Path(FILE))
        raise


def saved(arguments: argparse.Namespace) -> str:
    """The link to the view that W&B has taken."""
    from btr_tm.metrics.sinks import wandb_workspace

    entity = arguments.entity or wandb_workspace.default_entity()
    return wandb_workspace.save(wandb_workspace.workspace(entity, arguments.project, arguments.sweep))


def write(arguments: argparse.Namespace, path: Path) -> None:
    """Write the view as JSON."""
    from btr_tm.core.files import write_json
    from btr_tm.metrics.sinks import wandb_workspace

    commands.refuse_unwritable_file(path, ".json")
    built = wandb_workspace.workspace(arguments.entity, arguments.project, arguments.sweep)
    write_json(path, wandb_workspace.as_json(built))
    print(path)
