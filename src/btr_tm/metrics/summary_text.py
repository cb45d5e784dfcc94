"""Times and the summary of a run, as text for the terminal."""

from __future__ import annotations

from btr_tm.core.types import JsonObject
from btr_tm.metrics.catalog import find


def clock_text(seconds: float) -> str:
    """12s, 3m05s, 2h07m."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def summary_lines(summary: JsonObject) -> list[str]:
    """A line for each entry: figures with their units, files, and the next command."""
    lines = []
    for name, value in summary.items():
        lines.append(f"  {name.removeprefix('eval/'):<22} {_text(name, value)}")
    return lines


def _text(name: str, value: float | str | None) -> str:
    if value is None:
        return "--"
    if isinstance(value, str):
        return value
    if name in ("wall_s", "cpu_s"):
        return clock_text(value)
    known = find(name)
    unit = known.unit if known else ""
    if unit == "share":
        return f"{value:.0%}"
    if isinstance(value, float):
        return f"{value:.3f} {unit if unit == 's' else ''}".rstrip()
    return f"{value:,}"
