"""The stadium blocks a track file may name, their options and what they become.

The grid is 32 m x 8 m x 32 m; lengths are in cells of 32 m, rises in levels of 8 m, widths in metres.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from btr_tm.core.files import short
from btr_tm.sim.track import shapes
from btr_tm.sim.track.ribbon import (
    ASPHALT,
    CHECKPOINT_GATE,
    DIRT,
    FINISH_GATE,
    GRASS,
    NO_GATE,
    START_GATE,
    TURBO,
)
from btr_tm.sim.track.shapes import CELL_M, LEVEL_M, Shape

SURFACES = {"asphalt": ASPHALT, "grass": GRASS, "dirt": DIRT}
SIZES = (2, 3, 4, 5, 6)  # cells a quarter curve fills: nominal radius 48, 80, 112, 144, 176 m
LONGEST = 100  # cells
WANTED = {
    "at": "[x, y, z] in cells and levels",
    "turn": "left or right",
    "surface": f"one of {', '.join(SURFACES)}",
}
STEEPEST = 2  # levels of rise per cell: 27 degrees on average, 43 at the steepest point
STEEPEST_LANDING = 0.65  # of a jump: above a deeper dip, places along the road are not one after the other


@dataclass(frozen=True)
class Straight:
    """Ahead for `length` cells, gaining `rise` levels by the end."""

    length: float = 1
    rise: float = 0

    def shape(self) -> Shape:
        _check_lengths("length", self.length)
        _check_rise(self.rise, self.length)
        return shapes.straight(self.length * CELL_M, self.rise * LEVEL_M)


@dataclass(frozen=True)
class Crest:
    """A hump of `rise` levels (below zero: a dip) over `length` cells."""

    length: float = 4
    rise: float = 1

    def shape(self) -> Shape:
        _check_lengths("length", self.length, least=1)
        _check_rise(self.rise, self.length / 2)
        return shapes.straight(self.length * CELL_M, hump_m=self.rise * LEVEL_M)


@dataclass(frozen=True)
class Curve:
    """A turn `right` or `left` by `quarters` of a circle that fills `size` cells."""

    turn: str = "right"
    size: int = 3
    quarters: int = 1
    rise: float = 0

    def shape(self) -> Shape:
        _require(self.turn in ("left", "right"), "turn must be left or right", self.turn)
        _require(self.size in SIZES, f"size must be one of {_listed(SIZES)}", self.size)
        _require(self.quarters in (1, 2), "quarters must be 1 or 2", self.quarters)
        _check_rise(self.rise, math.pi / 2 * self.quarters * (self.size - 0.5))
        quarters = int(self.quarters) * (1 if self.turn == "right" else -1)
        return shapes.curve((self.size - 0.5) * CELL_M, quarters, self.rise * LEVEL_M)


@dataclass(frozen=True)
class Chicane:
    """An S over `length` cells that moves the road by `shift` cells to the side."""

    turn: str = "right"
    length: float = 4
    shift: float = 1
    rise: float = 0

    def shape(self) -> Shape:
        _require(self.turn in ("left", "right"), "turn must be left or right", self.turn)
        _check_lengths("length", self.length, least=1)
        _check_rise(self.rise, self.length)
        _require(
            0 < self.shift <= self.length / 2,
            "shift must be more than 0, at most half the length",
            self.shift,
        )
        side = 1 if self.turn == "right" else -1
        return shapes.chicane(self.length * CELL_M, side * self.shift * CELL_M, self.rise * LEVEL_M)


@dataclass(frozen=True)
class Jump:
    """A ramp of `slope`, a gap that cars faster than `speed_kmh` clear, and a landing; lengths in cells."""

    ramp: float = 1
    gap: float = 1
    landing: float = 2
    slope: float = 0.1
    speed_kmh: float = 160
    rise: float = -1

    def shape(self) -> Shape:
        _check_lengths("ramp, gap and landing", self.ramp, self.gap, self.landing)
        _check_rise(self.rise, self.landing)
        _require(0 <= self.slope <= 0.4, "slope must be from 0 to 0.4", self.slope)
        _require(self.speed_kmh >= 80, "speed_kmh must be at least 80", self.speed_kmh)
        lengths = (self.ramp * CELL_M, self.gap * CELL_M, self.landing * CELL_M)
        shape = shapes.jump(*lengths, self.slope, self.speed_kmh / 3.6, self.rise * LEVEL_M)
        steepest = float(np.abs(np.gradient(shape.height, shape.plan[:, 1])).max())
        _require(
            steepest <= STEEPEST_LANDING,
            f"the slope of the landing must be at most {STEEPEST_LANDING}, which a shorter gap, a longer "
            "landing or a higher speed_kmh gives",
            round(steepest, 2),
        )
        return shape


@dataclass(frozen=True)
class Style:
    """What a block has apart from its form; a track file sets the default for all its blocks."""

    width: float = 24.0  # m, of the road
    margin: float = 4.0  # m of grass between the road and the fence
    bank: float = 0.0  # degrees in the tightest part of a curve, towards its inside
    surface: str = "asphalt"

    def check(self) -> None:
        _require(8 <= self.width <= 64, "width must be from 8 to 64 m", self.width)
        _require(1 <= self.margin <= 40, "margin must be from 1 to 40 m", self.margin)
        _require(0 <= self.bank <= 40, "bank must be from 0 to 40 degrees", self.bank)
        _require(self.surface in SURFACES, f"surface must be one of {_listed(SURFACES)}", self.surface)


@dataclass(frozen=True)
class Kind:
    """A name a track file may use: a form, and what stands or lies in its middle."""

    form: Callable[..., Straight | Crest | Curve | Chicane | Jump]
    gate: int = NO_GATE
    pad: int | None = None  # surface of the middle half of the block

    @property
    def options(self) -> list[str]:
        """Names of the options a block of this kind takes."""
        parts = (*dataclasses.fields(self.form), *dataclasses.fields(Style))  # type: ignore[arg-type]
        return [field.name for field in parts] + ["at"]


KINDS = {
    "start": Kind(Straight, START_GATE),
    "checkpoint": Kind(Straight, CHECKPOINT_GATE),
    "finish": Kind(Straight, FINISH_GATE),
    "start_finish": Kind(Straight, FINISH_GATE),
    "straight": Kind(Straight),
    "crest": Kind(Crest),
    "curve": Kind(Curve),
    "chicane": Kind(Chicane),
    "jump": Kind(Jump),
    "turbo": Kind(Straight, pad=TURBO),
}


@dataclass(frozen=True)
class Block:
    """One entry of a track file, ready to be laid."""

    kind: str
    shape: Shape
    style: Style
    at: tuple[float, ...] | None  # cells and levels [x, y, z] its entrance must lie at, if the file says so


def make_block(kind: str, options: dict[str, object], default: Style) -> Block:
    """Build block `kind`; raises ValueError with a clause that says what is wrong."""
    _require(kind in KINDS, f"a block must be one of {_listed(KINDS)}", kind)
    known = KINDS[kind]
    for name, value in options.items():
        _require(name in known.options, f"an option must be one of {_listed(known.options)}", name)
        wanted = WANTED.get(name, "a number")
        _require(_fits(name, value), f"{name} must be {wanted}", value)
    form = {name: value for name, value in options.items() if name in _names(known.form)}
    chosen = {name: value for name, value in options.items() if name in _names(Style)}
    style = dataclasses.replace(default, **chosen)  # type: ignore[arg-type]
    style.check()
    place = options.get("at")
    at = tuple(float(value) for value in place) if isinstance(place, list) else None
    return Block(kind, known.form(**form).shape(), style, at)


def _check_lengths(name: str, *cells: float, least: float = 0.5) -> None:
    got = ", ".join(f"{each:g}" for each in cells)
    rule = f"{name} must be from {least:g} to {LONGEST} cells"
    _require(least <= min(cells) and max(cells) <= LONGEST, rule, got)


def _check_rise(levels: float, cells: float) -> None:
    most = STEEPEST * cells
    _require(abs(levels) <= most, f"rise must be from {-most:g} to {most:g} levels at this length", levels)


def _fits(name: str, value: object) -> bool:
    if name in ("turn", "surface"):
        return isinstance(value, str)  # checked against their few words by the form
    if name == "at":
        return isinstance(value, list) and len(value) == 3 and all(_is_number(part) for part in value)
    return _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6


def _names(form: object) -> list[str]:
    return [field.name for field in dataclasses.fields(form)]  # type: ignore[arg-type]


def _require(condition: bool, rule: str, got: object) -> None:
    if not condition:
        raise ValueError(f"{rule}, got {short(got)}")


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)
