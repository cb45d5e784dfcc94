"""Tables of single runs: a line for each, with its last evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from btr_tm.metrics.sinks.jsonl import read_record

HEADING = (
    "| run | frames | updates | value of the start | its worth | starts home | their mean time "
    "| from the line | best from the line | x author | CPU s |"
)
RULE = "| :--- |" + " ---: |" * 10


def page(title: str, runs: list[tuple[str, Path]]) -> str:
    """All runs, by name."""
    lines = [line(name, folder) for name, folder in runs]
    return "\n".join([f"# {title}", "", HEADING, RULE, *lines]) + "\n"


def line(name: str, folder: Path) -> str:
    """One run: what it spent, and its last evaluation."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    evaluations = [row for row in read_record(folder / "record.jsonl") if "eval/return_mean" in row]
    last: dict[str, Any] = evaluations[-1]
    best = summary.get("eval/best_canonical_time_s")
    ratio, now = summary.get("eval/author_ratio"), summary.get("eval/canonical_time_s")
    cells = [
        name,
        f"{summary['frames']:,}",
        f"{summary['updates']:,}",
        f"{last['canonical/q_start']:.1f}",
        f"{last['canonical/discounted_return']:.1f}",
        f"{last['eval/finish_rate']:.0%}",
        seconds(last.get("eval/mean_time_s")),
        seconds(last["canonical/time_s"] if last["canonical/finished"] else None),
        seconds(best),
        f"{best * ratio / now:.3f}" if best and ratio and now else "–",
        f"{summary['cpu_s']:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def seconds(time_s: float | None) -> str:
    return f"{time_s:.2f}" if time_s is not None else "–"


def runs_below(records: Path) -> list[tuple[str, Path]]:
    """Every run that is kept there, by the name of its folders."""
    folders = sorted(path.parent for path in records.rglob("summary.json"))
    return [(folder.relative_to(records).as_posix(), folder) for folder in folders]
