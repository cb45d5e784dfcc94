"""`python -m btr_tm.cli.measuring.process_memory`: does the memory of a long run grow?"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

from btr_tm.cli.commands import common as commands  # noqa: E402
from btr_tm.core.errors import UserError  # noqa: E402
from btr_tm.core.files import write_atomic
from btr_tm.core.interrupts import INTERRUPTS
from btr_tm.core.types import JsonObject  # noqa: E402

LIMIT_MIB = 4.0
READINGS = 200
CARS = 1024
# A tiny network without images, many cars, few updates: 10 million frames in minutes.
TINY = [
    "+experiment=quickstart", "profile=smoke", "encoder=none", "logger=none", "device=cpu",
    f"profile.cars={CARS}", "profile.frames_per_update=2048", "profile.replay_capacity=32768",
]  # fmt: skip


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.cli.measuring.process_memory",
        description="Check that the memory of a long run does not grow.",
    )
    parser.add_argument("--frames", type=commands.at_least_one, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="write memory.json and memory.png there")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure; a run that grows ends in one line on stderr."""
    commands.run(check, parser(), argv)


def check(arguments: argparse.Namespace) -> None:
    """Run, print and write the figures; raises UserError if the run grew by more than LIMIT_MIB."""
    from btr_tm.benchmarks.process_memory import growth, plot

    if arguments.folder:
        commands.refuse_unwritable_folder(arguments.folder)
    found = measure(arguments.frames)
    grown = growth(found["frames"], found["resident_mib"])
    if arguments.folder:
        plot(found["frames"], found["resident_mib"], arguments.folder / "memory.png")
        text = json.dumps(found | {"growth_mib": round(grown, 2)}, indent=1)
        write_atomic(arguments.folder / "memory.json", f"{text}\n".encode())
    print(f"{found['frames'][-1]:,} frames: {grown:+.1f} MiB after the warm-up")
    if grown > LIMIT_MIB:
        raise UserError(f"the process grew by {grown:.1f} MiB, more than {LIMIT_MIB} MiB; look for a leak")


def measure(frames: int) -> JsonObject:
    """Train for `frames` frames in a temporary folder; readings of the process's size."""
    from btr_tm.benchmarks.machine import machine
    from btr_tm.benchmarks.process_memory import Resident
    from btr_tm.cli.assembly.assemble import build
    from btr_tm.cli.configuration.composition import compose_job
    from btr_tm.core.malloc import keep_freed_memory
    from btr_tm.run.run import NoReport

    keep_freed_memory()
    resident, here = Resident(), machine()
    cadences = {"log": frames // READINGS, "probe": frames // 20, "eval": frames // 10, "save": frames // 10}
    words = [f"profile.{name}_every={max(CARS, every)}" for name, every in cadences.items()]
    with tempfile.TemporaryDirectory() as folder:
        words += [f"profile.total_frames={frames}", f"runs_dir={Path(folder).as_posix()}"]
        run = build(compose_job([*TINY, *words]))
        run.report = NoReport()
        run.meter.sinks.append(resident)
        run.train()
        seconds = {"wall_s": round(run.clock.seconds, 1), "cpu_s": round(run.clock.cpu_seconds, 1)}
    readings = {"frames": resident.frames, "resident_mib": [round(size, 2) for size in resident.mib]}
    return {"machine": here, "overrides": TINY, **seconds, **readings}


if __name__ == "__main__":
    with INTERRUPTS.program():
        main()
