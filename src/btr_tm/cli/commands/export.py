"""`python -m btr_tm.export`: a run's driver as one small file that evaluate and watch read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from btr_tm.cli.commands import common as commands


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.export",
        description="Write the network of a run or checkpoint, with its configuration, as one file.",
    )
    parser.add_argument("driver", metavar="RUN_OR_CHECKPOINT", help="a run folder or a checkpoint")
    parser.add_argument("file", nargs="?", default="driver.safetensors", help="default: driver.safetensors")
    parser.add_argument(
        "--out", metavar="FILE", dest="file", default=argparse.SUPPRESS, help="the same as FILE"
    )
    commands.add_plugin(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Export; errors that a user can fix are one line on stderr."""
    commands.run(write, parser(), argv)


def write(arguments: argparse.Namespace) -> None:
    """Load on the CPU, write, say how large it became."""
    from btr_tm.cli.assembly.driver import export, load_driver
    from btr_tm.core.tensor_file import SUFFIX

    commands.refuse_unwritable_file(arguments.file, SUFFIX)
    driver = load_driver(arguments.driver, "cpu", plugins=arguments.plugin)
    export(driver, arguments.file)
    print(f"{arguments.file}: {Path(arguments.file).stat().st_size / 1e6:.2f} MB, {driver.name}")
