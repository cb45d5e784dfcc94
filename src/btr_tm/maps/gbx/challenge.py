"""Maps of the game ("challenges"): who made them, their times, and where their checkpoints are."""

from __future__ import annotations

import xml.parsers.expat
from pathlib import Path
from typing import NamedTuple, cast

from btr_tm.core.errors import UserError
from btr_tm.maps.gbx import container
from btr_tm.maps.gbx.container import CHALLENGE, KINDS, GbxFile
from btr_tm.maps.gbx.cursor import Cursor, shown
from btr_tm.maps.gbx.nodes import Nodes, Parse

XML, TIMES, COMMON = 0x03043005, 0x03043002, 0x03043003  # chunks of the header
LAPS, BLOCKS = 0x03043018, 0x0304301F
BLOCK_M, LEVEL_M = 32.0, 8.0
FREE, SKINNED, WITH_PARAMETERS = 0xFFFFFFFF, 0x8000, 0x100000  # flags of a block
MEDALS = ("bronze", "silver", "gold", "author")
Point = tuple[float, float, float]


class Block(NamedTuple):
    """One block of a map, in cells of 32 x 8 x 32 m."""

    name: str
    x: int
    y: int
    z: int

    @property
    def centre_m(self) -> Point:
        """Centre on the road in world coordinates, as Linesight places the gates of its lines."""
        height = self.y + (0.875 if "High" in self.name else 0.0)
        if self.name in ("StadiumRoadMainCheckpointRight", "StadiumRoadMainCheckpointLeft"):
            height += 0.625
        return BLOCK_M * (self.x + 0.5), LEVEL_M * height, BLOCK_M * (self.z + 0.5)


class Challenge(NamedTuple):
    """What the header of a map says; "" and None where it does not."""

    name: str  # without codes for colours
    uid: str
    author: str  # login
    environment: str
    times_ms: dict[str, int | None]  # bronze, silver, gold, author


class Course(NamedTuple):
    """The gates of a map, in no order."""

    blocks: list[Block]
    laps: int

    @property
    def checkpoints(self) -> list[Block]:
        return [block for block in self.blocks if "Checkpoint" in block.name]

    @property
    def gates(self) -> list[Block]:
        """Start, checkpoints and finish."""
        return [block for block in self.blocks if "Checkpoint" in block.name or "Line" in block.name]


def read(path: str | Path) -> GbxFile:
    """A file that must be a map."""
    return of_kind(container.read(path))


def of_kind(file: GbxFile) -> GbxFile:
    if file.kind != CHALLENGE:
        raise UserError(f"{file.source} is {KINDS[file.kind]}; a map (.Challenge.Gbx) is needed")
    return file


def header(file: GbxFile) -> Challenge:
    """What its header says. The XML in it wins: the game itself shows that."""
    told = _attributes(file) if XML in file.header else {}
    common = _common(file)
    times = _times(file)
    for medal in MEDALS:
        value = told.get(("times", "authortime" if medal == "author" else medal), "")
        times[medal] = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else times[medal]
    uid, environment, author = (
        told.get(key, "") for key in (("ident", "uid"), ("desc", "envir"), ("ident", "author"))
    )
    return Challenge(
        shown(told.get(("ident", "name"), "") or common[3]),
        shown(uid or common[0]),
        shown(author or common[2]),
        shown(environment or common[1]),
        times,
    )


def course(file: GbxFile) -> Course:
    """Where start, checkpoints and finish are, from its body."""
    laps = 1
    for chunk, content in Nodes(_PARSERS).chunks(file.unpacked()):
        if chunk == LAPS:
            laps = cast(int, content)
        if chunk == BLOCKS:  # nothing beyond them is needed
            return Course(cast(list[Block], content), laps)
    raise UserError(f"{file.source} has no list of blocks; save the map again in the game's editor")


def _common(file: GbxFile) -> tuple[str, str, str, str]:
    """UID, environment, author and name."""
    if COMMON not in file.header:
        return "", "", "", ""
    cursor = Cursor(file.header[COMMON], file.source, "header's description")
    cursor.byte()
    uid, environment, author = cursor.ident()
    return uid, "Stadium" if environment == "26" else environment, author, cursor.text()


def _times(file: GbxFile) -> dict[str, int | None]:
    times: dict[str, int | None] = dict.fromkeys(MEDALS)
    if TIMES not in file.header:
        return times
    cursor = Cursor(file.header[TIMES], file.source, "header's times")
    version = cursor.byte()
    if version >= 3:
        cursor.number()
        times = {medal: cursor.time_ms() for medal in MEDALS}
    return times


def _attributes(file: GbxFile) -> dict[tuple[str, str], str]:
    """Those of the elements in the header's XML, by names of element and attribute."""
    text = Cursor(file.header[XML], file.source, "header's XML").text()
    found: dict[tuple[str, str], str] = {}

    def note(element: str, attributes: dict[str, str]) -> None:
        found.update({(element, name): value for name, value in attributes.items()})

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = note
    parser.EntityDeclHandler = lambda *_: _refuse_entities(file.source)
    try:
        parser.Parse(text, True)
    except (xml.parsers.expat.ExpatError, ValueError) as error:
        raise UserError(f"the XML in the header of {file.source} is damaged: {error}") from error
    return found


def _refuse_entities(source: str) -> None:
    """They could grow without end, and no map of the game has any."""
    raise UserError(f"the XML in the header of {source} declares entities, which no map does")


def _vehicle(nodes: Nodes, cursor: Cursor) -> None:
    cursor.ident()


def _parameters(nodes: Nodes, cursor: Cursor) -> None:
    nodes.reference(cursor)
    nodes.reference(cursor)
    cursor.number()


def _stock(nodes: Nodes, cursor: Cursor) -> None:
    for _ in range(cursor.count(16)):
        cursor.ident()
        cursor.number()


def _laps(nodes: Nodes, cursor: Cursor) -> int:
    is_lap_race, laps = cursor.numbers(2)
    return laps if is_lap_race else 1


def _skin(files: int) -> Parse:
    def parse(nodes: Nodes, cursor: Cursor) -> None:
        cursor.text()
        for _ in range(files):
            cursor.file_reference()

    return parse


def _plain(numbers: int, texts: int = 0) -> Parse:
    def parse(nodes: Nodes, cursor: Cursor) -> None:
        for _ in range(texts):
            cursor.block()
        cursor.numbers(numbers)

    return parse


def _blocks(nodes: Nodes, cursor: Cursor) -> list[Block]:
    cursor.ident()
    cursor.text()
    cursor.ident()
    cursor.numbers(4)  # size, and whether it must be unlocked
    version = cursor.number()
    wanted = cursor.count(10)
    blocks: list[Block] = []
    while len(blocks) < wanted:
        name = cursor.id()
        _, x, y, z = cursor.raw(4)
        flags = cursor.number() if version else cursor.word()
        if version and flags == FREE:  # deleted, and not counted
            continue
        if flags & SKINNED:
            cursor.id()
            nodes.reference(cursor)
        if flags & WITH_PARAMETERS:
            nodes.reference(cursor)
        blocks.append(Block(name, x, y, z))
    return blocks


_PARSERS: dict[int, Parse] = {
    0x0304300D: _vehicle,
    0x03043011: _parameters,
    LAPS: _laps,
    BLOCKS: _blocks,
    0x0301B000: _stock,
    0x0305B000: _plain(8),
    0x0305B001: _plain(0, texts=4),
    0x0305B002: _plain(16),
    0x0305B003: _plain(6),
    0x0305B004: _plain(5),
    0x0305B005: _plain(3),
    0x0305B006: lambda nodes, cursor: cursor.numbers(cursor.count(4)),
    0x0305B007: _plain(1),
    0x0305B008: _plain(2),
    0x03059000: _plain(0, texts=2),
    0x03059001: _skin(1),
    0x03059002: _skin(2),
}
