"""Writes docs/performance.md from the committed measurements: `python -m btr_tm.benchmarks.page`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from btr_tm.benchmarks.row import Row, row_of
from btr_tm.benchmarks.table import HEADINGS, LEFT
from btr_tm.core.types import JsonObject

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "performance.md"
NOTES = ROOT / "docs" / "performance_notes.md"
MEASURED = ROOT / "experiments" / "bench"
PLACE = "<!-- measurements -->"  # of the tables, in the notes
MADE = "<!-- Made by `make docs` from docs/performance_notes.md and experiments/bench/*.json; edit those. -->"


def page() -> str:
    """The notes, with a table for each committed file in the place that they mark."""
    notes = NOTES.read_text(encoding="utf-8")
    assert notes.count(PLACE) == 1, f"{NOTES} marks {notes.count(PLACE)} places"
    tables = "\n".join(table_of(path) for path in sorted(MEASURED.glob("*.json")))
    return f"{MADE}\n{notes.replace(PLACE, tables)}"


def table_of(path: Path) -> str:
    """One file as a heading, the machine and a table."""
    content = json.loads(path.read_text(encoding="utf-8"))
    link = path.relative_to(ROOT).as_posix()
    rows = [row_of(plain) for plain in content["rows"]]
    heading = f"### {path.stem.replace('_', ' ')}"
    told = f"{machine_line(content['machine'])} Every repetition: [{link}](../{link})."
    return "\n".join([heading, "", told, "", *markdown(rows), ""])


def machine_line(machine: JsonObject) -> str:
    """`date ..., cpu ..., cores 2, ...`: what was not known is left out."""
    known = {name: value for name, value in machine.items() if value is not None}
    return ", ".join(f"{name} {value}" for name, value in known.items()) + "."


def markdown(rows: Sequence[Row]) -> list[str]:
    """The lines of a table."""
    rule = ["---" if heading in LEFT else "---:" for heading in HEADINGS]
    cells = [list(HEADINGS), rule, *(row.cells() for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in cells]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    print(PAGE)
