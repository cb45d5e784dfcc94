"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btr_tm.metrics.catalog import find


def clock_text(seconds: float) -> str:
    """12s, 3m05s, 2h07m."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def summary_lines(summary: Mapping[str, Any]) -> list[str]:
    """A finished run for reading: figures with their units first, then files, then what to type next."""
    lines = []
    for name, value in summary.items():
        lines.append(f"  {name.removeprefix('eval/'):<22} {_text(name, value)}")
    return lines


def _text(name: str, value: Any) -> str:
    if value is None:
        return "--"
    if name in ("wall_s", "cpu_s"):
        return clock_text(value)
    known = find(name)
    unit = known.unit if known else ""
    if unit == "share":
        return f"{value:.0%}"
    if isinstance(value, float):
        return f"{value:.3f} {unit if unit == 's' else ''}".rstrip()
    return f"{value:,}" if isinstance(value, int) else str(value)
