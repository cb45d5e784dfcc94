"""The outside of a Gbx file: what kind it is, the chunks of its header, and its body, unpacked."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.core.files import MIB, read_bytes
from btr_tm.maps.gbx.cursor import Cursor
from btr_tm.maps.gbx.lzo import BadLzo, unpack

FILE_BYTES = 16 * MIB  # the longest replays with their maps have some MiB
BODY_BYTES = 64 * MIB  # unpacked
VERSIONS = range(3, 7)  # TrackMania Nations Forever writes 6
MOST_CHUNKS = 1000
MOST_EXTERNAL, DEEPEST = 1000, 20  # references to other files, and the folders they lie in

CHALLENGE, REPLAY, GHOST = 0x03043000, 0x03093000, 0x03092000
KINDS = {CHALLENGE: "a map", REPLAY: "a replay", GHOST: "a ghost"}

# Classes as older games of the series numbered them.
RENUMBERED = {
    0x24003000: CHALLENGE,
    0x2403F000: REPLAY,
    0x2407E000: REPLAY,
    0x2401B000: GHOST,
    0x2400C000: 0x0305B000,  # parameters of a map
    0x2403A000: 0x03059000,  # skin of a block
    0x2403C000: 0x0301B000,  # blocks in stock
}


class GbxFile(NamedTuple):
    """A file whose body is still packed."""

    source: str
    kind: int  # class of what it holds: one of KINDS
    header: dict[int, bytes]  # chunks by their number
    body: bytes
    body_at: int  # place in the file
    packed: bool

    def unpacked(self) -> Cursor:
        """A cursor over the body."""
        if not self.packed:
            return Cursor(self.body, self.source, "body")
        cursor = Cursor(self.body, self.source, "packed body")
        size = cursor.number()
        if size > BODY_BYTES:
            cursor.refuse(f"it should unpack to {size:,} bytes, more than {BODY_BYTES // MIB} MiB")
        try:
            return Cursor(unpack(cursor.block(), size), self.source, "unpacked body")
        except BadLzo as error:
            cursor.refuse(f"its LZO data cannot be unpacked, {error}")


def read(path: str | Path) -> GbxFile:
    """A map, replay or ghost of the game; UserError for anything else."""
    return parse(read_bytes(path, FILE_BYTES), str(path))


def parse(content: bytes, source: str) -> GbxFile:
    """The same from the bytes of a file; `source` names it in errors."""
    if not content.startswith(b"GBX"):
        raise UserError(f"{source} is no Gbx file of the game, since it does not begin with GBX")
    cursor = Cursor(content, source, "header")
    cursor.raw(3)
    packed, version = _format(cursor)
    kind = current(cursor.number())
    if kind not in KINDS:
        raise UserError(f"{source} is a Gbx file of class {kind:08X}; a map, a replay or a ghost is needed")
    header = _header(cursor) if version >= 6 else {}
    cursor.number()  # of nodes
    _skip_external(cursor, version)
    body_at = cursor.at
    return GbxFile(source, kind, header, cursor.raw(cursor.left), body_at, packed)


def current(number: int) -> int:
    """The number of a class or chunk as today's games have it."""
    return RENUMBERED.get(number & 0xFFFFF000, number & 0xFFFFF000) | number & 0xFFF


def _format(cursor: Cursor) -> tuple[bool, int]:
    """Whether the body is packed, and the version."""
    version = cursor.word()
    if version not in VERSIONS:
        cursor.refuse(f"its version should be {VERSIONS[0]} to {VERSIONS[-1]}, got {version}")
    form, _, body = cursor.raw(3)
    if version >= 4:
        cursor.byte()
    if form != ord("B") or body not in b"CU":
        cursor.refuse(f"its format should be BUC or BUU, got {bytes([form])!r} with a body {bytes([body])!r}")
    return body == ord("C"), version


def _header(cursor: Cursor) -> dict[int, bytes]:
    data = Cursor(cursor.block(), cursor.source, "header's chunks")
    if not data.left:
        return {}
    if (count := data.count(8)) > MOST_CHUNKS:
        data.refuse(f"{count:,} chunks, more than {MOST_CHUNKS:,}")
    entries = [(current(data.number()), data.number() & 0x7FFFFFFF) for _ in range(count)]
    return {chunk: data.raw(size) for chunk, size in entries}


def _skip_external(cursor: Cursor, version: int) -> None:
    """The table of other files that this one refers to."""
    count = cursor.number()
    if count == 0:
        return
    if count > MOST_EXTERNAL:
        cursor.refuse(f"{count:,} references to other files, more than {MOST_EXTERNAL:,}")
    cursor.number()
    _skip_folders(cursor, 0)
    for _ in range(count):
        named = not cursor.number() & 4
        cursor.block() if named else cursor.number()
        cursor.number()
        cursor.numbers((version >= 5) + named)


def _skip_folders(cursor: Cursor, depth: int) -> None:
    if depth > DEEPEST:
        cursor.refuse(f"folders in more than {DEEPEST} levels")
    for _ in range(cursor.count(8)):
        cursor.block()
        _skip_folders(cursor, depth + 1)
