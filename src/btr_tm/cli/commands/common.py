"""What all commands but training share: one sentence instead of a traceback, and common arguments."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from btr_tm.core.errors import UserError


def run(
    command: Callable[[argparse.Namespace], None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    mixed: bool = False,
) -> None:
    """Parse `argv` (None: the command line) and run; errors that a user can fix end in one line.

    `mixed`: options may stand between words of one list.
    """
    arguments = parser.parse_intermixed_args(argv) if mixed else parser.parse_args(argv)
    try:
        command(arguments)
    except UserError as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        sys.exit(f"btr_tm: {error}")


def refuse_unwritable_file(path: str | Path, *suffixes: str) -> None:
    """Raise UserError, before any work, if `path` could not be written or has none of the `suffixes`."""
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; add the name of a file")
    if suffixes and path.suffix not in suffixes:
        raise UserError(f"the name must end in {' or '.join(suffixes)}, got {path}")
    if not path.parent.is_dir():
        raise UserError(f"the folder {path.parent} does not exist; make it first, or name another one")
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no file, and would be replaced by one; name another place")
    try:
        if path.exists():
            path.open("ab").close()
        tempfile.TemporaryFile(dir=path.parent).close()  # files are written beside their place first
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror}); name another place") from error


def refuse_unwritable_folder(folder: Path) -> None:
    """Raise UserError, before any work, if `folder` cannot be made or nothing can be written there."""
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise UserError(f"cannot write into {folder} ({error.strerror}); name another folder") from error


def at_least_one(text: str) -> int:
    """An argparse type: a whole number from 1 on."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or larger, got {text}")
    return int(text)


def add_place(parser: argparse.ArgumentParser) -> None:
    """`--device`, `--track` and `--plugin`."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--track", help="drive another track: a shipped one, a .yaml or a .npy file")
    add_plugin(parser)


def add_plugin(parser: argparse.ArgumentParser) -> None:
    """`--plugin`."""
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module of your own whose classes the driver uses (may be repeated)",
    )
