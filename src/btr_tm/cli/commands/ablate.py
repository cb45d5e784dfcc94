"""`python -m btr_tm.ablate`: from the folder of a sweep to a verdict on each ingredient."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from btr_tm.cli.commands import common as commands
from btr_tm.core.errors import UserError

if TYPE_CHECKING:
    from btr_tm.report.ablation.model import Study

PAGE, FOREST, CURVES, FIGURES = "ablation.md", "forest.png", "curves.png", "ablation.json"
TIMES = "forest_times.png"
REPORT = "report.html"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.ablate",
        description="Say of each ingredient of a sweep whether it helps or hurts: write ablation.md (answer, "
        "verdicts, tables with 95% intervals), forest.png and, once races finish, forest_times.png (effects "
        "on learning and on race times), curves.png (learning curves), "
        "ablation.json (every figure) and report.html (all of it as one page for a browser, with the best "
        "races as a film). An arm is compared with the arm that has all ingredients or with the one that has "
        "none, whichever is nearer.",
        epilog="example: python -m btr_tm.ablate runs/quickstart",
    )
    parser.add_argument("folder", metavar="FOLDER", help="the folder of the arms, runs/NAME")
    parser.add_argument("--base", metavar="ARM", default="", help="compare every arm with this one")
    parser.add_argument(
        "--metric",
        metavar="NAME",
        default="eval/progress_mean",
        help="judge by the area under this metric, of which more is better, or less of seconds and losses "
        "(default: eval/progress_mean)",
    )
    parser.add_argument(
        "--costs",
        action="store_true",
        help="first measure what an update of each arm costs, all in turns on this machine, and write it to "
        "FOLDER/costs.json, for the comparison at equal compute",
    )
    commands.add_plugin(parser)
    parser.add_argument("--out", metavar="FOLDER", help="where to write (default: FOLDER)")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Report; errors that a user can fix are one line on stderr."""
    commands.run(ablate, parser(), argv)


def ablate(arguments: argparse.Namespace) -> None:
    """Read, compare, draw, write; print the answer."""
    from btr_tm.core.files import write_atomic
    from btr_tm.report.ablation import figures_json, text
    from btr_tm.report.ablation.study import analyse
    from btr_tm.report.ablation.words import answer
    from btr_tm.report.html import of_study

    folder = Path(arguments.folder)
    if not folder.is_dir():
        raise UserError(f"{folder} holds no runs; name the folder of a sweep, such as runs/quickstart")
    out = Path(arguments.out or folder)
    commands.refuse_unwritable_folder(out)
    if arguments.costs:
        measure_costs(folder, arguments.metric, arguments.plugin)
    study = analyse(folder, arguments.base, arguments.metric, print)
    print("drawing")
    pictures = [draw(study, out / name) for name, draw in drawn(study).items()]
    write_atomic(out / PAGE, text.page(study, *drawn(study)).encode())
    write_atomic(out / FIGURES, figures_json.text(study).encode())
    write_atomic(out / REPORT, of_study.page(study).encode())
    print("\n".join(["", answer(study), "", *(f"note: {note}" for note in study.notes), ""]))
    print("\n".join(path.as_posix() for path in (out / PAGE, *pictures, out / FIGURES, out / REPORT)))
    if not study.costs:
        print(f"for equal compute: python -m btr_tm.ablate {shlex.quote(folder.as_posix())} --costs")
    print(f"next: python -m btr_tm.compare {shlex.quote(folder.as_posix())}")


def drawn(study: Study) -> dict[str, Callable[[Study, Path], Path]]:
    """What draws each picture of the page, by the name of its file; that of curves comes last."""
    from btr_tm.report.ablation import curves, forest
    from btr_tm.report.ablation.outcomes import MEAN_TIME
    from btr_tm.report.ablation.words import about_times

    times = {TIMES: partial(forest.draw, name=MEAN_TIME)} if about_times(study) else {}
    return {FOREST: forest.draw, **times, CURVES: curves.draw}


def measure_costs(folder: Path, metric: str, plugins: Sequence[str]) -> None:
    """Write costs.json, of the arms that have runs to compare."""
    from btr_tm.cli.measuring import update_costs
    from btr_tm.report.ablation import costs
    from btr_tm.report.ablation.read import read

    commands.refuse_unwritable_folder(folder)
    arms = read(folder, metric).arms
    configs = {arm: runs[0].manifest["config"] for arm, runs in arms.items()}
    machine, found = update_costs.measure(configs, plugins, print, update_costs.ROUNDS)
    print(costs.write(folder, machine, found).as_posix())
