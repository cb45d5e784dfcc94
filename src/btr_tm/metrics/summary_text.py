"""Figures as text, one form for each kind, wherever a person reads them; and the summary of a run."""

from __future__ import annotations

import math

from btr_tm.core.types import JsonObject
from btr_tm.metrics.catalog import find


def clock_text(seconds: float) -> str:
    """12s, 3m05s, 2h07m: how long something takes."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def race_time_text(seconds: float) -> str:
    """24.31 s: the time of a race, which has ticks of a hundredth."""
    return f"{seconds:.2f} s"


def metres_text(metres: float) -> str:
    """812.4 m."""
    return f"{metres:.1f} m"


def share_text(share: float) -> str:
    """97%."""
    return f"{share:.0%}"


def figure_text(name: str, value: float | str | None) -> str:
    """The figure `name` of the catalogue or of a summary; -- where there is none."""
    if isinstance(value, str):
        return value
    if value is None or not math.isfinite(value):
        return "--"
    if name in ("wall_s", "cpu_s"):
        return clock_text(value)
    known = find(name)
    unit = known.unit if known else "s" if name.endswith("_s") else ""
    kinds = {"s": race_time_text, "m": metres_text, "share": share_text}
    if unit in kinds:
        return kinds[unit](value)
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


def summary_lines(summary: JsonObject) -> list[str]:
    """A line for each entry: figures with their units, files, and the next command."""
    lines = [(name.removeprefix("eval/"), figure_text(name, value)) for name, value in summary.items()]
    return [f"  {name:<22} {text}" for name, text in lines]
