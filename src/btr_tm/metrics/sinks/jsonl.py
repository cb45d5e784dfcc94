"""The record of a run: one JSON object per flush, on the axis `frames`; always written."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from btr_tm.core.errors import UserError
from btr_tm.core.files import parse_json, read_bytes
from btr_tm.metrics.meter import Row

RECORD_BYTES = 2**30  # a row has 5 KB, and there is one for every few thousand frames


class JsonlSink:
    """Appends rows to `path`; after a resume `rewind` drops rows of frames that will be driven again.

    If the disk is full, that is said, and the row is written with the next one.
    """

    def __init__(self, path: str | Path, say: Callable[[str], None] = print) -> None:
        self.path, self.say = Path(path), say
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._waiting = ""

    def write(self, row: Row) -> None:
        self._waiting += json.dumps(row, allow_nan=False) + "\n"
        whole = self.path.stat().st_size if self.path.exists() else 0
        try:
            with open(self.path, "a", encoding="utf-8", newline="\n") as file:
                file.write(self._waiting)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.say(f"could not write to {self.path} ({error}); training goes on, the row is kept for later")
            if self.path.exists():
                os.truncate(self.path, whole)  # no half a line in the middle
        else:
            self._waiting = ""

    def rewind(self, frames: int) -> None:
        """Cut off the rows after `frames`, and a row that a kill has left incomplete.

        Nothing is written again, so that a kill can lose nothing.
        """
        if self.path.exists():
            kept = (size for row, size in _rows(self.path) if row["frames"] <= frames)
            os.truncate(self.path, sum(kept))

    def close(self) -> None:
        pass


def read_record(path: str | Path) -> list[Row]:
    """Rows of a record; a last line that a kill cut short is left out. UserError names a damaged line."""
    return [row for row, _ in _rows(Path(path))]


def _rows(path: Path) -> Iterator[tuple[Row, int]]:
    """Rows, and the bytes that each takes."""
    before = -math.inf
    for number, line in enumerate(read_bytes(path, RECORD_BYTES).splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            return
        row = parse_json(line.decode("utf-8", "replace"), f"line {number} of {path}")
        if not all(isinstance(value, int | float) for value in row.values()) or "frames" not in row:
            raise UserError(f"line {number} of {path} must hold numbers, `frames` among them")
        if row["frames"] < before:
            raise UserError(f"line {number} of {path} has fewer frames than the line before")
        before = row["frames"]
        yield row, len(line)
