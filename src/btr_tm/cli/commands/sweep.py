"""`python -m btr_tm.sweep`: how the runs of a sweep stand, and what its arms have reached."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from btr_tm.cli.commands import common as commands


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.sweep",
        description="Show how the runs of a sweep stand: how many are done, running, waiting and failed, why "
        "those failed, and what the arms have reached so far. A sweep is started by python -m btr_tm -m.",
        epilog="example: python -m btr_tm.sweep --status runs/quickstart",
    )
    parser.add_argument("--status", metavar="FOLDER", required=True, help="the folder of the arms, runs/NAME")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Show; errors that a user can fix are one line on stderr."""
    commands.run(show, parser(), argv)


def show(arguments: argparse.Namespace) -> None:
    print("\n".join(lines(Path(arguments.status))))


def lines(folder: Path) -> list[str]:
    """What the command prints, and a sweep at its end."""
    from btr_tm.report.sweep import table
    from btr_tm.run import sweep

    found = sweep.standings(folder)
    done = any(each.status.state == "done" for each in found)
    name = shlex.quote(folder.as_posix())
    after = ["", f"next: python -m btr_tm.compare {name}", f"  or: python -m btr_tm.ablate {name}"]
    return [sweep.line(found), *sweep.failures(found), "", table(found), *(after if done else [])]
