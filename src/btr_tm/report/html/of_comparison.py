"""The page of a comparison: its verdicts, its table, and what all pages show of arms."""

from __future__ import annotations

import math

import numpy as np

from btr_tm.report.arms import AXES, Arm, track_of
from btr_tm.report.compare import Comparison, Figures
from btr_tm.report.compare_text import cells, headings, notes
from btr_tm.report.compare_verdicts import verdicts
from btr_tm.report.html.differences import parts
from btr_tm.report.html.model import Cell, Page, Row, Table
from btr_tm.report.html.page import render
from btr_tm.report.table_text import amount

Array = np.ndarray
NAMED = 4  # arms whose verdicts the first paragraph holds


def page(comparison: Comparison) -> str:
    """The comparison as HTML."""
    said = verdicts(comparison)
    short = len(comparison.arms) <= NAMED
    content = Page(
        title=title(comparison),
        answer=" ".join([opening(comparison), *(said if short else [])]),
        forests=(),
        tables=(figures(comparison),),
        differences=parts(comparison.arms),
        notes=(*([] if short else said), *notes(comparison)),
        metrics=tuple(comparison.metrics),
    )
    return render(content, comparison.arms)


def title(comparison: Comparison) -> str:
    """The names of the arms, or of the first and the number of the others."""
    labels = [arm.label for arm in comparison.arms]
    return ", ".join(labels) if len(labels) <= NAMED else f"{labels[0]} and {len(labels) - 1} others"


def opening(comparison: Comparison) -> str:
    """What was compared, and which arm has the best area; the others are sorted by it."""
    runs = sum(len(arm.seeds) for arm in comparison.arms)
    low, high = (amount(end, comparison.axis) for end in comparison.window)
    track = track_of(comparison.arms[0])
    return (
        f"{counted(len(comparison.arms), 'arm')}, {counted(runs, 'run')}{f' on {track}' if track else ''}, "
        f"compared by the area under {comparison.metrics[0]} between {low} and {high} "
        f"{AXES[comparison.axis].unit}."
    )


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def figures(comparison: Comparison) -> Table:
    """The table of comparison.md, sorted by the means behind its cells."""
    return Table(
        "Figures of the arms",
        tuple(headings(comparison)[1:]),
        tuple(
            row(number, arm, found, comparison.axis)
            for number, (arm, found) in enumerate(zip(comparison.arms, comparison.figures, strict=True))
        ),
    )


def row(number: int, arm: Arm, found: Figures, axis: str) -> Row:
    texts = cells(arm, found, axis)[1:]
    best = mean(found.best_time_s)
    ratio = best / found.author_s if best is not None and found.author_s > 0 else None
    orders = (
        len(arm.seeds),
        mean(found.finish_rate),
        mean(found.mean_time_s),
        best,
        ratio,
        mean(found.first_finish),
        mean(found.good_rate),
        mean(found.cpu_s),
        mean(found.area),
    )
    return Row(arm.label, number, tuple(Cell(*pair) for pair in zip(texts, orders, strict=True)))


def mean(values: Array) -> float | None:
    """Of those that exist."""
    there = [float(value) for value in values if math.isfinite(value)]
    return sum(there) / len(there) if there else None
