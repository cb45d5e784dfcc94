"""One line of the table: our figure, what it was measured beside, and what it should be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from btr_tm.benchmarks.timing import Times
from btr_tm.core.types import JsonObject


@dataclass(frozen=True)
class Target:
    """A bound on a figure; `NO_TARGET` bounds nothing."""

    bound: float
    at_least: bool = True

    def met(self, figure: float) -> bool:
        return figure >= self.bound if self.at_least else figure <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {number(self.bound)}" if math.isfinite(self.bound) else ""


NO_TARGET = Target(-math.inf)
LESS_IS_BETTER = ("us", "ms", "s", "bytes")


@dataclass(frozen=True)
class Row:
    """`ours`, `theirs` and `floor` are in `unit`; nan stands for what could not be taken, `note` says why.

    `floor` is a bound of this machine: no time or size can be below it, no speed above it.
    """

    what: str
    unit: str
    ours: float
    beside: str = ""
    theirs: float = math.nan
    target: Target = NO_TARGET
    note: str = ""
    times: tuple[float, ...] = ()  # seconds of each repetition of ours
    floor: float = math.nan

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    @property
    def of_floor(self) -> float:
        """1 where nothing can be gained."""
        return self.floor / self.ours if self.unit in LESS_IS_BETTER else self.ours / self.floor

    def cells(self) -> list[str]:
        """As the table shows it."""
        ours = number(self.ours) if math.isfinite(self.ours) else self.note
        theirs = f"{number(self.theirs)} {self.beside}" if math.isfinite(self.theirs) else self.beside
        ratio = f"{self.ratio:.2f}" if math.isfinite(self.ratio) else ""
        of_floor = f"{100 * self.of_floor:.0f} %" if math.isfinite(self.of_floor) else ""
        judged = math.isfinite(self.ours) and math.isfinite(self.target.bound)
        met = ("yes" if self.target.met(self.ours) else "no") if judged else ""
        return [self.what, self.unit, ours, theirs, ratio, of_floor, str(self.target), met]

    def plain(self) -> JsonObject:
        """For JSON: what has no value is null."""
        figures = {"ours": self.ours, "theirs": self.theirs, "ratio": self.ratio, "target": self.target.bound}
        figures |= {"floor": self.floor, "of_floor": self.of_floor}
        finite = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        words = {"what": self.what, "unit": self.unit, "beside": self.beside, "note": self.note}
        return words | finite | {"target_is_minimum": self.target.at_least, "seconds": list(self.times)}


def row_of(plain: JsonObject) -> Row:
    """The row that `plain()` wrote, of this version or of one before floors were measured."""
    known: JsonObject = {name: plain[name] for name in ("what", "unit", "beside", "note")}
    known |= {name: _figure(plain.get(name)) for name in ("ours", "theirs", "floor")}
    bound = plain["target"]
    target = NO_TARGET if bound is None else Target(bound, plain["target_is_minimum"])
    return Row(**known, target=target, times=tuple(plain["seconds"]))


def _figure(value: float | None) -> float:
    return math.nan if value is None else value


class Beside(NamedTuple):
    """What a figure stands beside; nothing unless said otherwise."""

    name: str = ""
    figure: float = math.nan


NOTHING = Beside()


def rate_row(
    what: str,
    unit: str,
    times: Times,
    beside: Beside = NOTHING,
    target: Target = NO_TARGET,
    floor: float = math.nan,
) -> Row:
    """A speed: more is better."""
    return Row(what, unit, times.rate, *beside, target, times=times.seconds, floor=floor)


def duration_row(
    what: str,
    times: Times,
    beside: Beside = NOTHING,
    target: Target = NO_TARGET,
    floor: float = math.nan,
) -> Row:
    """A time per unit of work: less is better."""
    return Row(what, "ms", times.unit_ms, *beside, target, times=times.seconds, floor=floor)


def number(figure: float) -> str:
    """Whole from 100 on, else three digits that count."""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
