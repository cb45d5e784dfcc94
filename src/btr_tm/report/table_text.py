"""Cells of a comparison as text: amounts, shares, intervals, Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from btr_tm.metrics.stats import Interval

Array = np.ndarray


def amount(value: float, axis: str) -> str:
    """Frames as 41k or 1.64M, seconds as whole ones, minutes and hours to three digits; never for NaN."""
    if math.isnan(value):
        return "never"
    if axis in ("wall_minutes", "cumul_training_hours") and abs(value) < 100:
        return f"{value:.3g}"
    if axis not in ("frames", "updates") or value < 1000:
        return f"{value:.0f}"
    return f"{value / 1e6:.2f}M" if value >= 1e6 else f"{value / 1e3:.0f}k"


def amounts(values: Array, axis: str) -> str:
    """One amount per seed."""
    return ", ".join(amount(float(value), axis) for value in values)


def shares(values: Array) -> str:
    """One share per seed, and the smallest."""
    if np.isnan(values).all():
        return "--"
    return f"{', '.join(f'{100 * value:.0f}' for value in values)}% ({100 * np.nanmin(values):.0f}%)"


def interval_text(interval: Interval, form: str) -> str:
    """24.31 [24.02, 24.60]; the value alone where the interval is unknown, -- where the value is."""
    if math.isnan(interval.value):
        return "--"
    if not math.isfinite(interval.low + interval.high):
        return f"{interval.value:{form}}"
    return f"{interval.value:{form}} [{interval.low:{form}}, {interval.high:{form}}]"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its heading, first column to the left, others to the right, padded."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(2, *(len(cell) for cell in column)) for column in zip(*rows, strict=True)]
    rule = [":" + "-" * (widths[0] - 1), *["-" * (width - 1) + ":" for width in widths[1:]]]
    lines = [[cell.rjust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    for line, row in zip(lines, rows, strict=True):
        line[0] = row[0].ljust(widths[0])
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])
