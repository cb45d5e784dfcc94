"""`python -m btr_tm.bench`: speeds, shares of time and memory beside what they should be."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from btr_tm.cli.commands import common as commands
from btr_tm.core.errors import UserError

if TYPE_CHECKING:
    import torch

    from btr_tm.benchmarks.sections import Section
    from btr_tm.benchmarks.timing import Effort

MINUTES = {"cpu": 60.0, "cuda": 7.5}  # in all; a CPU that others use too may need them


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.bench",
        description="Measure learner, acting, simulator, replay and the whole loop, alternating with what "
        "they are compared with: ten minutes on two idle cores, less than eight with --device cuda.",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--only", metavar="NAMES", help="sections, separated by commas (default: all)")
    parser.add_argument("--quick", action="store_true", help="a little of everything, not compiled")
    parser.add_argument("--minutes", type=float, help="for all (default: 60, or 7.5 on CUDA)")
    parser.add_argument("--json", metavar="PATH", type=Path, help="write every figure there too")
    parser.add_argument("--threads", type=commands.at_least_one, help="of torch (default: its own choice)")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure; errors that a user can fix are one line on stderr."""
    commands.run(bench, parser(), argv)


def bench(arguments: argparse.Namespace) -> None:
    """Measure everything, print the table, write the JSON; an interruption keeps what was measured so far."""
    from btr_tm.benchmarks.machine import machine
    from btr_tm.benchmarks.sections import measured
    from btr_tm.benchmarks.table import show, write_json
    from btr_tm.cli.assembly.assemble import set_threads
    from btr_tm.cli.assembly.parts import device_of

    if arguments.json:
        commands.refuse_unwritable_file(arguments.json)
    set_threads(arguments.threads or "auto")
    device = device_of(arguments.device)
    sections = chosen(sections_of(device, arguments.quick), arguments.only)
    here, rows = machine(device), []  # before the benchmark itself is the load
    for row in measured(sections, 60 * (arguments.minutes or MINUTES[device.type])):
        rows.append(row)
        if arguments.json:
            write_json(arguments.json, rows, here)
    show(rows, here)


def sections_of(device: torch.device, quick: bool) -> list[Section]:
    """Those of a CPU, or of CUDA; raises UserError for other devices."""
    from btr_tm.benchmarks.timing import CUDA, FULL, QUICK
    from btr_tm.cli.measuring.bench_sections import cpu_sections, cuda_sections

    if device.type == "cpu":
        return cpu_sections(QUICK if quick else FULL)
    if device.type == "cuda":
        return cuda_sections(_quick_cuda(CUDA) if quick else CUDA, device)
    raise UserError(f"device must be cpu or cuda, got {device.type}")


def _quick_cuda(effort: Effort) -> Effort:
    """Everything once, not compiled."""
    import dataclasses

    return dataclasses.replace(effort, rounds=2, compile=False, updates=2, decisions=2, loop_frames=4096)


def chosen(sections: list[Section], names: str | None) -> list[Section]:
    """`sections` called `names`, separated by commas; raises UserError for a name that none has."""
    if names is None:
        return sections
    known = {section.name: section for section in sections}
    wanted = names.split(",")
    for name in wanted:
        if name not in known:
            raise UserError(f"there is no section {name!r}; --only takes {', '.join(known)}")
    return [known[name] for name in wanted]
