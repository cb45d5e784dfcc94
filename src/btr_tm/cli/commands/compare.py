"""`python -m btr_tm.compare`: arms of seeds against each other, as pictures and tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from btr_tm.cli.commands import common as commands

if TYPE_CHECKING:
    from btr_tm.report.compare import Comparison

AXES = ("frames", "updates", "cpu_s", "wall_minutes", "cumul_training_hours")
CLOCKS = AXES[2:]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.compare",
        description="Compare arms: write comparison.png (curves with their seeds and 95% bands) and "
        "comparison.md (final figures, intervals, verdicts, tables at checkpoints); print the first table.",
        epilog="examples: python -m btr_tm.compare runs/quickstart; python -m btr_tm.compare "
        "base=runs/quickstart/base plain=runs/quickstart/no_munchausen --x cpu_s; python -m btr_tm.compare "
        "tensorboard/A01_v2 tensorboard/A01_v4_btr --time-axis wall_minutes --interval 10",
    )
    parser.add_argument(
        "arms",
        metavar="[LABEL=]PATH",
        nargs="+",
        help="a folder of seeds s0, s1, ..., one run, or a whole sweep runs/NAME; kept records (FOLDER/NAME "
        "for NAME_s0.jsonl, ...); a TensorBoard folder, of Linesight for example; offline runs of wandb",
    )
    parser.add_argument(
        "--base",
        metavar="ARM",
        default="",
        help="compare with this arm (default: base in a sweep, else the first)",
    )
    parser.add_argument(
        "--metric",
        metavar="NAME",
        action="append",
        default=[],
        help="draw this metric of ours, or tag of another program; may be repeated, the first one gives the "
        "areas (default: progress, finish rate and race time, or the best race so far)",
    )
    parser.add_argument(
        "--track",
        metavar="NAME",
        default="",
        help="the track of records that do not say it, for its author time",
    )
    add_axes(parser)
    parser.add_argument(
        "--figures", action="store_true", help="also draw each metric by itself, every run as a line"
    )
    parser.add_argument(
        "--html",
        action="store_true",
        help="also write comparison.html: all of it as one page for a browser, with the best races as a film",
    )
    parser.add_argument("--out", metavar="FOLDER", default=".", help="where to write (default: .)")
    return parser


def add_axes(parser: argparse.ArgumentParser) -> None:
    """What arms are compared along, and where."""
    parser.add_argument("--x", choices=AXES, help="the axis of curves and areas (default: frames)")
    parser.add_argument(
        "--time-axis",
        choices=CLOCKS,
        help="the clock of tables at equal time, and of curves and areas where --x is not given: minutes "
        "since the first row, hours of training without pauses, or CPU seconds",
    )
    parser.add_argument(
        "--interval",
        metavar="MINUTES",
        type=positive,
        help="tables at equal time, so far apart (default: about six, with --time-axis)",
    )
    parser.add_argument(
        "--step-interval",
        metavar="FRAMES",
        type=positive,
        help="tables at equal frames, so far apart (default: about six)",
    )


def positive(text: str) -> float:
    """An argparse type: a number above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return number


def main(argv: Sequence[str] | None = None) -> None:
    """Compare; errors that a user can fix are one line on stderr."""
    commands.run(compare, parser(), argv)


def compare(arguments: argparse.Namespace) -> None:
    """Read, draw, write, print."""
    from btr_tm.core.files import write_atomic
    from btr_tm.report import compare_text
    from btr_tm.report.compare_plots import draw, draw_one
    from btr_tm.report.compare_verdicts import verdicts

    out = Path(arguments.out)
    commands.refuse_unwritable_folder(out)
    comparison = measured(arguments)
    files = [draw(comparison, out / "comparison.png")]
    if arguments.figures:
        for name in comparison.metrics:
            files.append(draw_one(comparison, name, out / f"{name.replace('/', '_')}.png"))
    files.append(out / "comparison.md")
    write_atomic(files[-1], page(comparison, arguments).encode())
    if arguments.html:
        from btr_tm.report.html import of_comparison

        files.append(out / "comparison.html")
        write_atomic(files[-1], of_comparison.page(comparison).encode())
    lines = [*verdicts(comparison), *compare_text.notes(comparison), "", *map(str, files)]
    print("\n".join([compare_text.table(comparison), "", *lines]))


def measured(arguments: argparse.Namespace) -> Comparison:
    """What the arguments ask for."""
    from btr_tm.report.compare import compare as compare_arms
    from btr_tm.report.reading import read_arms

    axis = arguments.x or arguments.time_axis or "frames"
    return compare_arms(read_arms(arguments.arms, arguments.base, arguments.track), arguments.metric, axis)


def page(comparison: Comparison, arguments: argparse.Namespace) -> str:
    """comparison.md, with the tables at checkpoints that the arguments ask for."""
    from btr_tm.core.errors import UserError
    from btr_tm.report import checkpoints, compare_text

    sections: list[str] = []
    for axis, spacing in spacings(arguments).items():
        try:
            found = checkpoints.place(comparison, axis, spacing)
            sections += checkpoints.sections(comparison, found, spacing is not None)
        except UserError as error:
            sections.append(f"No table over {axis}: {error}.")
            print(sections[-1])
    return compare_text.page(comparison, "comparison.png", sections)


def spacings(arguments: argparse.Namespace) -> dict[str, float | None]:
    """How far apart the checkpoints of an axis are, in its own unit; None: as it fits."""
    axis = arguments.x or arguments.time_axis or "frames"
    clock = arguments.time_axis or (axis if axis in CLOCKS else "wall_minutes")
    wanted: dict[str, float | None] = {axis: None}
    if arguments.step_interval:
        wanted["frames"] = arguments.step_interval
    if arguments.time_axis or arguments.interval:
        per_minute = {"wall_minutes": 1.0, "cumul_training_hours": 1 / 60, "cpu_s": 60.0}[clock]
        wanted[clock] = per_minute * arguments.interval if arguments.interval else None
    return wanted
