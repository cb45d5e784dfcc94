"""What a page shows besides its charts and races, ready to be written down."""

from __future__ import annotations

from typing import NamedTuple

Order = float | str | None  # what a column is sorted by; None for a missing value, which comes last


class Cell(NamedTuple):
    """A cell of a table."""

    text: str
    order: Order


class Row(NamedTuple):
    """What a table says of an arm or an ingredient."""

    name: str
    arm: int  # number of the arm whose colour it carries; -1 for none
    cells: tuple[Cell, ...]


class Table(NamedTuple):
    """A table that can be sorted; its first column holds the names."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]


class Whisker(NamedTuple):
    """An interval of a forest plot; places in percent of its width, None where there is none."""

    value: float | None
    low: float | None
    high: float | None
    label: str  # read aloud


class ForestRow(NamedTuple):
    """An effect: its whiskers, at equal frames and at equal compute, and what it says."""

    row: Row
    order: Order  # of the plot's column
    whiskers: tuple[Whisker, ...]
    kind: str  # the verdict as a class of the style sheet
    pair: str  # the arms whose difference it is


class Forest(NamedTuple):
    """Effects of one family over a common scale."""

    caption: str
    first: str  # heading of the names
    effect: str  # heading of the plot
    headings: tuple[str, ...]  # of the cells
    zero: float  # percent
    ticks: tuple[tuple[float, str], ...]  # percent, text
    rows: tuple[ForestRow, ...]


class Part(NamedTuple):
    """The configuration of an arm against that of another."""

    arm: int
    name: str
    against: str
    summary: str
    lines: tuple[str, ...]


class Legend(NamedTuple):
    """One arm in the legend; colour and dashes tell arms apart."""

    arm: int
    name: str
    runs: str


class Page(NamedTuple):
    """Everything but what is drawn from the records of the runs."""

    title: str
    answer: str
    tables: tuple[Table, ...]
    forests: tuple[Forest, ...]
    differences: tuple[Part, ...]
    notes: tuple[str, ...]
    metrics: tuple[str, ...]  # what it is about; their curves come first
