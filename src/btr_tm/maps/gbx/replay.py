"""Ghosts of the game, alone or in replays: where the car was, in records some tenths of a second apart."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from btr_tm.core.errors import UserError
from btr_tm.core.files import MIB
from btr_tm.maps.gbx import challenge, container
from btr_tm.maps.gbx.container import CHALLENGE, GHOST, KINDS, GbxFile
from btr_tm.maps.gbx.cursor import NOTHING, Cursor
from btr_tm.maps.gbx.nodes import Nodes, Parse

MAP, GHOSTS, OLD_GHOSTS = 0x03093002, 0x03093014, 0x03093004
RECORDS, RECORDS_REPLAYING, TIME, RESPAWNS = 0x0303F005, 0x0303F006, 0x03092005, 0x03092008
RECORD_BYTES = 32 * MIB  # unpacked; an hour at ten records a second has 2
MOST_RECORDS = 400_000
MOST_GHOSTS = 1000
POSITION_BYTES = 12
PERIODS_MS = range(10, 2001)


class Records(NamedTuple):
    """Where a car was."""

    times_ms: NDArray[np.int64]  # (T,)
    positions: NDArray[np.float64]  # (T, 3), world, m


class Ghost(NamedTuple):
    """One race."""

    records: Records
    time_ms: int | None  # None if it did not finish
    respawns: int


class Replay(NamedTuple):
    """The races in a file, and the map they were driven on if that is in it."""

    source: str
    ghosts: list[Ghost]
    map_content: bytes  # of its file; empty if there is none

    def map(self) -> GbxFile | None:
        """The map; UserError if it is damaged, which the races need not be."""
        if not self.map_content:
            return None
        return challenge.of_kind(container.parse(self.map_content, f"the map in {self.source}"))

    def fastest(self) -> Ghost:
        """The ghost that finished first; without one that finished, the longest."""
        finished = [ghost for ghost in self.ghosts if ghost.time_ms is not None]
        if finished:
            return min(finished, key=lambda ghost: ghost.time_ms or 0)
        return max(self.ghosts, key=lambda ghost: len(ghost.records.times_ms))


def read(path: str | Path) -> Replay:
    """A `.Replay.Gbx` or a `.Ghost.Gbx`; UserError for any other file, and for one without a race."""
    return of_file(container.read(path))


def of_file(file: GbxFile) -> Replay:
    """The same of a file whose outside was read."""
    if file.kind == CHALLENGE:
        raise UserError(
            f"{file.source} is {KINDS[CHALLENGE]}, in which nobody drives; name a replay or a ghost"
        )
    cursor, nodes = file.unpacked(), Nodes(_PARSERS)
    if file.kind == GHOST:
        ghosts, content = [_ghost(nodes.node(cursor), cursor)], b""
    else:
        ghosts, content = _replay(nodes, cursor)
    driven = [ghost for ghost in ghosts if ghost is not None]
    if not driven:
        raise UserError(f"{file.source} holds no race: there is no ghost in it that moves")
    return Replay(file.source, driven, content)


def _replay(nodes: Nodes, cursor: Cursor) -> tuple[list[Ghost | None], bytes]:
    """Its ghosts, and the file of its map."""
    track = b""
    for chunk, content in nodes.chunks(cursor):
        if chunk == MAP:
            track = cast(bytes, content)
        if chunk in (GHOSTS, OLD_GHOSTS):  # nothing beyond them is needed
            return cast(list["Ghost | None"], content), track
    return [], track


def _ghosts(nodes: Nodes, cursor: Cursor) -> list[Ghost | None]:
    cursor.number()
    count = cursor.count(4)
    if count > MOST_GHOSTS:
        cursor.refuse(f"{count:,} ghosts, more than {MOST_GHOSTS:,}")
    return [_ghost(nodes.reference(cursor), cursor) for _ in range(count)]


def _ghost(chunks: dict[int, object], cursor: Cursor) -> Ghost | None:
    records = cast("Records | None", chunks.get(RECORDS, chunks.get(RECORDS_REPLAYING)))
    if records is None or len(records.times_ms) < 2:
        return None
    respawns = cast("int | None", chunks.get(RESPAWNS)) or 0
    return Ghost(records, cast("int | None", chunks.get(TIME)), respawns)


def _records(nodes: Nodes, cursor: Cursor) -> Records | None:
    size = cursor.number()
    if size > RECORD_BYTES:
        cursor.refuse(
            f"the ghost's records should unpack to {size:,} bytes, more than {RECORD_BYTES // MIB} MiB"
        )
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(cursor.block(), size + 1)
    except zlib.error as error:
        cursor.refuse(f"the ghost's records cannot be unpacked, {error}")
    if len(content) != size:
        cursor.refuse(f"the ghost's records unpack to {len(content):,} bytes or more instead of {size:,}")
    return _unpacked(Cursor(content, cursor.source, "ghost's records"))


def _unpacked(cursor: Cursor) -> Records | None:
    if cursor.number() == NOTHING:  # class of the vehicle
        return None
    evenly = cursor.number() != 0
    _, period_ms, _ = cursor.numbers(3)
    if period_ms not in PERIODS_MS:
        cursor.refuse(f"its records should be {PERIODS_MS[0]} to {PERIODS_MS[-1]} ms apart, got {period_ms}")
    data = np.frombuffer(cursor.block(), dtype=np.uint8)
    starts = _starts(cursor)
    if len(starts) and (starts[-1] + POSITION_BYTES > len(data) or starts[0] < 0):
        cursor.refuse(f"record {len(starts)} should lie at byte {starts[-1]:,} of {len(data):,}")
    held = data[starts[:, None] + np.arange(POSITION_BYTES)]
    positions = np.ascontiguousarray(held).view("<f4").astype(np.float64)
    times_ms = period_ms * np.arange(len(starts))
    if not evenly and len(starts):
        times_ms = np.array(cursor.numbers(cursor.count(4)), dtype=np.int64)
        if len(times_ms) != len(starts) or (np.diff(times_ms) <= 0).any():
            cursor.refuse(f"{len(starts):,} records have {len(times_ms):,} times, or not in their order")
    return Records(times_ms, positions)


def _starts(cursor: Cursor) -> NDArray[np.int64]:
    """Where each record begins."""
    count = cursor.number()
    if count > MOST_RECORDS:
        cursor.refuse(f"{count:,} records, more than {MOST_RECORDS:,}")
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    first = cursor.number()
    if count == 1:
        return np.array([first])
    size = cursor.number()
    if size == NOTHING:
        sizes = np.array(cursor.numbers(count - 1), dtype=np.int64)
    else:
        sizes = np.full(count - 1, size, dtype=np.int64)
    if size == 0 or (sizes < POSITION_BYTES).any():
        cursor.refuse(f"a record has at least {POSITION_BYTES} bytes, got {sizes.min()}")
    return first + np.concatenate(([0], np.cumsum(sizes)))


def _replaying(nodes: Nodes, cursor: Cursor) -> Records | None:
    cursor.number()
    return _records(nodes, cursor)


def _time(nodes: Nodes, cursor: Cursor) -> int | None:
    return cursor.time_ms()


def _inputs(numbers_after: int, nodes: Nodes, cursor: Cursor) -> None:
    """Keys that were pressed and the game that saw it, skipped."""
    if cursor.number() == 0:  # duration
        return
    cursor.number()
    for _ in range(cursor.count(4)):
        cursor.id()
    entries, _ = cursor.numbers(2)
    cursor.raw(9 * entries)
    cursor.block()  # version of the game
    cursor.numbers(3)
    cursor.block()  # settings
    cursor.numbers(numbers_after)


def _skipped(kinds: str, nodes: Nodes, cursor: Cursor) -> None:
    """Values that nobody needs: `n` a number, `t` a text, `i` an id, `k` a key of 128 bits."""
    skip: dict[str, Callable[[], object]] = {
        "n": cursor.number, "t": cursor.block, "i": cursor.id, "k": partial(cursor.raw, 16)
    }  # fmt: skip
    for kind in kinds:
        skip[kind]()


_PARSERS: dict[int, Parse] = {
    MAP: lambda nodes, cursor: cursor.block(),
    GHOSTS: _ghosts,
    OLD_GHOSTS: _ghosts,
    RECORDS: _records,
    RECORDS_REPLAYING: _replaying,
    TIME: _time,
    RESPAWNS: _time,
    0x03092003: partial(_skipped, "iiitt"),
    0x03092006: partial(_skipped, "iiitnt"),
    0x03092007: partial(_skipped, "nnn"),
    0x03092009: partial(_skipped, "nnn"),
    0x0309200C: partial(_skipped, "n"),
    0x0309200D: partial(_skipped, "iiitnnnnt"),
    0x0309200E: partial(_skipped, "i"),
    0x0309200F: partial(_skipped, "t"),
    0x03092010: partial(_skipped, "i"),
    0x03092011: partial(_inputs, 0),
    0x03092012: partial(_skipped, "nk"),
    0x03092015: partial(_skipped, "i"),
    0x03092018: partial(_skipped, "iii"),
    0x03092019: partial(_inputs, 1),
}
