"""Makes every table and figure of the experiments again, from the records that are committed: `make report`.

    python experiments/report.py            everything
    python experiments/report.py --tables   tables alone

The commands `python -m btr_tm.compare` and `python -m btr_tm.ablate` are those in the READMEs, with
`--out experiments/...`; the other tables are in tables.py. A test compares all tables with those committed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import driver_tables
import run_tables
import tables

from btr_tm.benchmarks import process_memory, scaling_plots
from btr_tm.benchmarks.scaling_study import Point
from btr_tm.cli.commands import ablate, compare
from btr_tm.core.files import read_json, write_atomic
from btr_tm.report.ablation import figures_json, text
from btr_tm.report.ablation.study import analyse

ROOT = Path(__file__).resolve().parents[1]
HERE = Path("experiments")  # every path here is relative to the root, as in the commands
COMMAND = re.compile(r"^    python -m btr_tm\.(compare|ablate) (.* --out experiments/.*)$", re.MULTILINE)
BLOCK = "<!-- made by experiments/report.py: {name} -->\n"
END = "<!-- end -->\n"
RUN_TABLES = {
    "a01_best/search": "What was tried on seed 0",
    "a01_best/records": "The recipe",
    "a01_best/tracks": "The other tracks",
    "a01_best/changes": "One change each",
    "a01_best/quarter": "One change each, at a quarter of the length",
    "a01_best/level": "BTR, IQN and what lies between",
    "a01_best/hl_gauss": "HL-Gauss, a million frames",
    "a01_best/ingredients": "The six ingredients on HL-Gauss",
    "a01_best/few_frames": "Fewer frames, more updates",
    "a01_best/lines": "The open lines, on HL-Gauss",
    "recipe_with_pictures/records": "The recipe with pictures",
    "camera/search": "What was tried with the camera alone",
    "camera/stays": "Camera drivers on fresh seeds, 240,000 frames",
    "camera/long": "Camera drivers on fresh seeds, 480,000 frames",
    "camera/hl_gauss": "Camera drivers with HL-Gauss, 480,000 frames",
}


class Command(NamedTuple):
    """A command that an experiment's README names."""

    program: str
    words: list[str]


def commands() -> list[Command]:
    pages = [path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*/README.md"))]
    found = [match for page in pages for match in COMMAND.findall(page)]
    return [Command(program, shlex.split(words)) for program, words in found]


def texts() -> Iterator[tuple[Path, str]]:
    """Every file of tables, and what belongs into it."""
    for command in commands():
        yield from (compared if command.program == "compare" else ablated)(command.words)
    yield HERE / "kernel" / "kernel.md", tables.kernel(HERE / "kernel" / "kernel.json")
    yield HERE / "kernel" / "cores.md", tables.cores(HERE / "kernel" / "cores.json")
    yield HERE / "learner_steps" / "steps.md", tables.steps(HERE / "learner_steps" / "steps.json")
    yield HERE / "learner_update" / "update.md", tables.updates(HERE / "learner_update" / "update.json")
    yield HERE / "traced" / "traced.md", tables.traced(HERE / "traced" / "traced.json")
    yield HERE / "driver" / "sections.md", driver_tables.page(HERE / "driver" / "measured.json")
    for name, title in RUN_TABLES.items():
        yield HERE / f"{name}.md", run_tables.page(title, run_tables.runs_below(HERE / name))
    for name, table in (tables.IN_README | {"driver": driver_tables.tables}).items():
        path = HERE / name / "README.md"
        yield path, with_block(path.read_text(encoding="utf-8"), name, table(HERE / name))


def compared(words: list[str]) -> Iterator[tuple[Path, str]]:
    arguments = compare.parser().parse_args(words)
    yield Path(arguments.out) / "comparison.md", compare.page(compare.measured(arguments), arguments)


def ablated(words: list[str]) -> Iterator[tuple[Path, str]]:
    arguments = ablate.parser().parse_args(words)
    study = analyse(Path(arguments.folder), arguments.base, arguments.metric, print)
    yield Path(arguments.out) / ablate.PAGE, text.page(study, *ablate.drawn(study))
    yield Path(arguments.out) / ablate.FIGURES, figures_json.text(study)


def with_block(page: str, name: str, table: str) -> str:
    """The page with its table `name` replaced."""
    before, begin, rest = page.partition(BLOCK.format(name=name))
    _, end, after = rest.partition(END)
    assert begin and end, f"experiments/{name}/README.md has no place for its table"
    return f"{before}{begin}{table}{end}{after}"


def figures() -> None:
    """Draw every figure; the commands write their tables again beside them."""
    for command in commands():
        (compare if command.program == "compare" else ablate).main(command.words)
    for script in ("lunar_lander/plot.py", "atari/plot.py", "kernel/plot.py"):
        runpy.run_path(str(HERE / script), run_name="__main__")
    memory = read_json(HERE / "memory" / "memory.json")
    process_memory.plot(memory["frames"], memory["resident_mib"], HERE / "memory" / "memory.png")
    scaling = json.loads((HERE / "scaling" / "scaling.json").read_text(encoding="utf-8"))
    points = [Point(**point) for point in scaling["points"]]
    scaling_plots.plot(points, HERE / "scaling" / "scaling.png", scaling_plots.title_of(scaling["machine"]))


def main(arguments: argparse.Namespace) -> None:
    os.chdir(ROOT)
    for path, content in texts():
        write_atomic(path, content.encode())
        print(path.as_posix())
    if not arguments.tables:
        figures()


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Make every table and figure of the experiments again.")
    parser.add_argument("--tables", action="store_true", help="tables alone, in seconds")
    return parser


if __name__ == "__main__":
    main(parser().parse_args())
