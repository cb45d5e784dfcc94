"""The record of a run: one JSON object per flush, on the axis `frames`; always written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from btr_tm.metrics.meter import Row


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
        except OSError as error:
            self.say(f"could not write to {self.path} ({error}); training goes on, the row is kept for later")
            if self.path.exists():
                os.truncate(self.path, whole)  # no half a line in the middle
        else:
            self._waiting = ""

    def rewind(self, frames: int) -> None:
        """Keep rows up to `frames`."""
        if self.path.exists():
            kept = [row for row in read_record(self.path) if row["frames"] <= frames]
            text = "".join(json.dumps(row) + "\n" for row in kept)
            self.path.write_text(text, encoding="utf-8")

    def close(self) -> None:
        pass


def read_record(path: str | Path) -> list[Row]:
    """Rows of a record; a last line cut short by a crash is left out."""
    lines = Path(path).read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n") and line.strip()]
    return [json.loads(line) for line in whole]
