"""The record of a run: one JSON object per flush, on the axis `frames`; always written."""

from __future__ import annotations

import json
from pathlib import Path

from btr_tm.metrics.meter import Row


class JsonlSink:
    """Appends rows to `path`; after a resume `rewind` drops rows of frames that will be driven again."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, row: Row) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")

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
