"""The kinds of records that plugins send, as data: what stands where, and between which limits.

A record is a row of little-endian numbers of a fixed size, without a header; one comes per
picture of the game. Nothing here trusts a record: what its numbers may be is part of the kind.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.protocols import Reading

Number = int | float
Value = Number | bytes | Sequence[Number]

MAGIC = b"BTR\xff"  # as a float32 it is not a number, so that no other kind takes it for a value
WORLD_M = 1e5  # farther away is nothing
FASTEST = 400.0  # m/s; the game's cars reach 278
LONGEST_MS = 2.0**31 - 1  # of a race
UNIT = 0.02  # by which a unit vector may be longer or shorter, or not at right angles to another
SPARE = 1e-3  # by which an input may exceed its range
AUTO = "auto"


class Column(NamedTuple):
    """Some numbers of a record that belong together. A `name` of `Reading` goes there, others are dropped."""

    name: str
    form: str = "f"  # as struct writes it: f, i, I, or a count and s for bytes
    least: float = -math.inf
    most: float = math.inf
    numbers: int = 1
    whole: bool = False  # a count, a flag or a time in ms
    unit: bool = False  # a vector of length 1

    @property
    def written(self) -> str:
        """As struct writes all of it."""
        return self.form if self.form.endswith("s") else f"{self.numbers}{self.form}"


class Schema(NamedTuple):
    """One kind of record."""

    name: str
    sender: str  # who sends it
    columns: tuple[Column, ...]

    @property
    def row(self) -> struct.Struct:
        """All columns, without padding."""
        return struct.Struct("<" + "".join(column.written for column in self.columns))

    def tells(self, name: str) -> bool:
        """Whether a field of `Reading` is in its records."""
        return any(column.name == name for column in self.columns)

    def fault(self, record: bytes) -> str:
        """What is impossible in it, such as "steer is 12.5"; nothing if it can be of this kind."""
        vectors: dict[str, tuple[float, ...]] = {}
        for column, values in self._split(record):
            if fault := _fault(column, values):
                return fault
            if column.unit:
                vectors[column.name] = values  # type: ignore[assignment]
        if vectors and abs(sum(map(operator.mul, vectors["forward"], vectors["up"]))) > UNIT:
            return "forward is not at right angles to up"
        return ""

    def reading(self, record: bytes, number: int, at_s: float, map_id: str | None = None) -> Reading:
        """What a record without a fault says; `map_id` is that of the game where the record has none."""
        known: dict[str, object] = {"map_id": map_id}
        for column, values in self._split(record):
            if column.name in Reading._fields:
                known[column.name] = _meant(column, values)
        known["speed"] = abs(float(known["speed"]))  # type: ignore[arg-type]  # whichever way the car rolls
        return Reading(number=number, at_s=at_s, **known)  # type: ignore[arg-type]

    def record(self, values: Mapping[str, Value]) -> bytes:
        """The inverse, for a stand-in: columns that are not named are 0, and the car looks along z."""
        row: list[int | float | bytes] = []
        for column in self.columns:
            value = values.get(column.name, _nothing(column))
            row.extend(value if isinstance(value, list | tuple) else [value])  # type: ignore[list-item]
        return self.row.pack(*row)

    def _split(self, record: bytes) -> list[tuple[Column, tuple[Number | bytes, ...]]]:
        values, at, found = self.row.unpack(record), 0, []
        for column in self.columns:
            found.append((column, values[at : at + column.numbers]))
            at += column.numbers
        return found


def _fault(column: Column, values: tuple[Number | bytes, ...]) -> str:
    if column.name == "magic":
        return "" if values[0] == MAGIC else "its first bytes are others"
    for value in values:
        if isinstance(value, bytes):
            text = value.rstrip(b"\0")
            if not (text.isascii() and (text.decode("ascii").isprintable())):
                return f"{column.name} is no text"
        elif not column.least <= value <= column.most or not math.isfinite(value):
            return f"{column.name} is {value:g}"
        elif column.whole and value != round(value):
            return f"{column.name} is {value:g}"
    if column.unit and abs(math.hypot(*values) - 1) > UNIT:  # type: ignore[arg-type]
        return f"{column.name} has a length of {math.hypot(*values):g}"  # type: ignore[arg-type]
    return ""


def _meant(column: Column, values: tuple[Number | bytes, ...]) -> object:
    if column.numbers > 1:
        return tuple(values)
    value = values[0]
    if isinstance(value, bytes):
        return value.rstrip(b"\0").decode("ascii")
    if column.name == "finished":
        return bool(value)
    return round(value) if column.whole else value


def _nothing(column: Column) -> Value:
    if column.name == "magic":
        return MAGIC
    if column.form.endswith("s"):
        return b""
    if column.unit:
        return (0.0, 1.0, 0.0) if column.name == "up" else (0.0, 0.0, 1.0)
    return [0] * column.numbers


def _flag(name: str) -> Column:
    return Column(name, "f", 0, 1, whole=True)


def _count(name: str, most: float, form: str = "f") -> Column:
    return Column(name, form, 0, most, whole=True)


def _vector(name: str, most: float) -> Column:
    return Column(name, "f", -most, most, 3)


def _unit(name: str) -> Column:
    return Column(name, "f", numbers=3, unit=True)


POSITION, VELOCITY = _vector("position", WORLD_M), _vector("velocity", FASTEST)
SPEED = Column("speed", "f", -FASTEST, FASTEST)
INPUTS = (  # as the game applies them
    Column("steer", "f", -1 - SPARE, 1 + SPARE),
    Column("gas", "f", -SPARE, 1 + SPARE),
    Column("brake", "f", -SPARE, 1 + SPARE),
)
GEAR, RPM = Column("gear", "f", -1, 10), Column("rpm", "f", -1, 30_000)
WHEELS = 4  # front left, front right, rear left, rear right
SLIP, FLYING = Column("slip", numbers=WHEELS), Column("flying_ms")  # limits are not known for sure

TMRL11 = Schema(
    "tmrl11",
    "the plugin TMRL_GrabData",
    (SPEED, Column("distance"), POSITION, *INPUTS, _flag("finished"), GEAR, RPM),
)
CONNECT33 = Schema(
    "connect33",
    "the plugin TrackmaniaRL Connect",
    (
        _count("checkpoints", 1e6),
        _count("lap", 1e6),
        _flag("finished"),
        Column("race_ms", "f", -LONGEST_MS, LONGEST_MS, whole=True),
        POSITION,
        VELOCITY,
        _unit("forward"),
        _unit("up"),
        SPEED,
        RPM,
        GEAR,
        SLIP,
        Column("material", numbers=WHEELS),
        Column("skidding"),
        FLYING,
        Column("adherence"),
        *INPUTS,
    ),
)
BTR = Schema(
    "btr",
    "our plugin BtrTelemetry",
    (
        Column("magic", "4s"),
        _count("sequence", 2.0**32 - 1, "I"),
        Column("race_ms", "i", -LONGEST_MS, LONGEST_MS, whole=True),
        _count("checkpoints", 1e6, "i"),
        _count("finished", 1, "i"),
        Column("map_id", "32s"),
        POSITION,
        VELOCITY,
        _unit("forward"),
        _unit("up"),
        SPEED,
        *INPUTS,
        GEAR,
        RPM,
        SLIP,
        FLYING,
    ),
)
SCHEMAS = {schema.name: schema for schema in (TMRL11, CONNECT33, BTR)}
LARGEST = max(schema.row.size for schema in SCHEMAS.values())  # bytes


def refuse_unknown(name: str) -> None:
    """UserError if there is no such kind of record."""
    if name not in (AUTO, *SCHEMAS):
        raise UserError(f"the schema of telemetry must be {', '.join((AUTO, *SCHEMAS))}, got '{name}'")


def told_apart(head: bytes, name: str, has_session: bool) -> Schema | str:
    """Which kind begins with `head` (LARGEST bytes), or a sentence that says why it is not `name`.

    Sizes tell nothing: 132 bytes are one record of connect33 or three of tmrl11. Only connect33 comes with a
    session port; where none answers, the one kind that all of `head` can be is taken.
    """
    faults = {schema.name: _fault_in(schema, head) for schema in SCHEMAS.values()}
    fitting = [each for each, fault in faults.items() if not fault]
    wanted = CONNECT33.name if name == AUTO and has_session and BTR.name not in fitting else name
    if wanted in fitting:
        return SCHEMAS[wanted]
    if wanted == AUTO and len(fitting) == 1:
        return SCHEMAS[fitting[0]]
    if wanted != AUTO:
        instead = f"; it would fit {' or '.join(fitting)}" if fitting else ""
        return f"what comes is not {wanted}, as {faults[wanted]}{instead}"
    if fitting:
        return f"what comes could be {' or '.join(fitting)}"
    return "what comes is of no known schema: " + ", ".join(
        f"as {each} {fault}" for each, fault in faults.items()
    )


def _fault_in(schema: Schema, head: bytes) -> str:
    size = schema.row.size
    starts = range(0, len(head) - size + 1, size)
    return next((fault for at in starts if (fault := schema.fault(head[at : at + size]))), "")
