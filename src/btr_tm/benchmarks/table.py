"""Rows as one aligned table, or as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from btr_tm.benchmarks.row import Row
from btr_tm.core.types import JsonObject

HEADINGS = ("what", "unit", "ours", "beside it", "ratio", "of floor", "target", "met")
LEFT = ("what", "unit", "target")
WIDTH = 190  # where the output is no terminal


def show(rows: Sequence[Row], machine: JsonObject) -> None:
    """Print the machine and the table."""
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=WIDTH)
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), soft_wrap=True)
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in HEADINGS:
        justify = "left" if heading in LEFT else "right"
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*row.cells())
    console.print(table)


def write_json(path: Path, rows: Sequence[Row], machine: JsonObject) -> None:
    """Everything, the seconds of every repetition included."""
    known = {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in machine.items()}
    content = {"machine": known, "rows": [row.plain() for row in rows]}
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
