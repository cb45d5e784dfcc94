"""`python -m btr_tm.compare`: arms of seeds against each other, as a picture and a table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from btr_tm.cli.commands import common as commands

METRICS = ("eval/progress_mean", "eval/finish_rate", "eval/canonical_time_s")
AXES = ("frames", "cpu_s", "wall_s")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.compare",
        description="Compare arms: write comparison.png (curves with their seeds and 95% bands) and "
        "comparison.md (final figures, intervals, verdict), and print the table.",
        epilog="example: python -m btr_tm.compare base=runs/quickstart/base "
        "plain=runs/quickstart/no_munchausen --x cpu_s",
    )
    parser.add_argument(
        "arms",
        metavar="[LABEL=]FOLDER",
        nargs="+",
        help="a folder of seeds s0, s1, ..., one run, or a whole sweep runs/NAME",
    )
    parser.add_argument(
        "--metric",
        metavar="NAME",
        action="append",
        help="draw this metric; may be repeated, the first one gives the areas "
        f"(default: {', '.join(METRICS)})",
    )
    parser.add_argument(
        "--x", choices=AXES, default="frames", help="the axis on which arms are compared (default: frames)"
    )
    parser.add_argument("--out", metavar="FOLDER", default=".", help="where to write (default: .)")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Compare; errors that a user can fix are one line on stderr."""
    commands.run(compare, parser(), argv)


def compare(arguments: argparse.Namespace) -> None:
    """Read, draw, write, print."""
    from btr_tm.core.files import write_atomic
    from btr_tm.report import compare as report
    from btr_tm.report.arms import read_arms
    from btr_tm.report.compare_plots import draw

    out = Path(arguments.out)
    commands.refuse_unwritable_folder(out)
    comparison = report.compare(read_arms(arguments.arms), arguments.metric or METRICS, arguments.x)
    picture = draw(comparison, out / "comparison.png")
    text = out / "comparison.md"
    write_atomic(text, report.page(comparison, picture.name).encode())
    print(report.table(comparison))
    print(
        "\n".join(["", *report.verdicts(comparison), *report.notes(comparison), "", str(picture), str(text)])
    )
