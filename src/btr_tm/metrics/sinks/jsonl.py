"""The record of a run: one JSON object per flush, on the axis `frames`; always written."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from btr_tm.core.errors import UserError
from btr_tm.core.files import parse_json, read_bytes
from btr_tm.core.types import StateDict
from btr_tm.metrics.meter import Row

RECORD_BYTES = 2**30  # a row has 5 KB, and there is one for every few thousand frames


class JsonlSink:
    """Appends rows to `path`; its state is their number, and `rewind` goes back to it.

    If the disk is full, that is said, and the row is written with the next one.
    """

    def __init__(self, path: str | Path, say: Callable[[str], None] = print) -> None:
        self.path, self.say = Path(path), say
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._rows = 0
        self._waiting: list[str] = []

    def write(self, row: Row) -> None:
        self._waiting.append(json.dumps(row, allow_nan=False) + "\n")
        try:
            self.settle()
        except OSError as error:
            self.say(f"could not write to {self.path} ({error}); training goes on, the row is kept for later")

    def settle(self) -> None:
        """Write the rows that wait, durably; raises OSError, and the file is as before."""
        if not self._waiting:
            return
        whole = self.path.stat().st_size if self.path.exists() else 0
        try:
            with open(self.path, "a", encoding="utf-8", newline="\n") as file:
                file.write("".join(self._waiting))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            if self.path.exists():
                os.truncate(self.path, whole)  # no half a line in the middle
            raise
        self._rows += len(self._waiting)
        self._waiting = []

    def rewind(self) -> list[Row]:
        """Cut off what was written after the checkpoint that was loaded, or all if none was; the rows left.

        Nothing is written again, so that a kill can lose nothing. UserError if rows are missing.
        """
        rows = list(_rows(self.path)) if self.path.exists() else []
        if len(rows) < self._rows:
            raise UserError(
                f"{self.path} has {len(rows)} whole rows, and {self._rows} had been written before the "
                "checkpoint; put the file back, or start again with on_existing=overwrite"
            )
        kept = rows[: self._rows]
        if self.path.exists():
            os.truncate(self.path, sum(size for _, size in kept))
        return [row for row, _ in kept]

    def state_dict(self) -> StateDict:
        """How many rows are written; those that wait are so first, see `settle`."""
        return {"rows": self._rows}

    def load_state_dict(self, state: StateDict) -> None:
        self._rows = int(state["rows"])

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
