"""Writes maps, ghosts and replays as the game does, according to the format (wiki.xaseco.org/wiki/GBX)."""

from __future__ import annotations

import struct
import zlib

import numpy as np

NOTHING = 0xFFFFFFFF
END_OF_NODE = 0xFACADE01
STADIUM = 26
XML = (
    '<header type="challenge" version="TMc.6" exever="2.11.11"><ident uid="{uid}" name="{name}" '
    'author="{author}"/><desc envir="Stadium" mood="Day" type="Race" nblaps="0" price="300"/>'
    '<times bronze="38030" silver="29190" gold="25870" authortime="24540" authorscore="24540"/>'
    "<deps/></header>"
)


def number(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def text(value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return number(len(content)) + content


class Ids:
    """Ids of one body or header chunk: each text once, then its number."""

    def __init__(self) -> None:
        self.known: list[str] = []
        self.begun = False

    def __call__(self, *values: str | int) -> bytes:
        out = b"" if self.begun else number(3)
        self.begun = True
        for value in values:
            if isinstance(value, int):
                out += number(value)
            elif value == "":
                out += number(NOTHING)
            elif value in self.known:
                out += number(0x40000001 + self.known.index(value))
            else:
                self.known.append(value)
                out += number(0x40000000) + text(value)
        return out


def literal_lzo(data: bytes) -> bytes:
    """LZO that copies nothing: one run of literals."""
    end = b"\x11\x00\x00"
    if not data:
        return end
    if len(data) < 4:
        return bytes([17 + len(data)]) + data + end
    count = len(data) - 3
    if count <= 15:
        return bytes([count]) + data + end
    zeros, last = divmod(count - 15, 255)
    zeros, last = (zeros - 1, 255) if last == 0 else (zeros, last)
    return b"\x00" + bytes(zeros) + bytes([last]) + data + end


def container(kind: int, header: dict[int, bytes], body: bytes, packed: bool = True) -> bytes:
    heads = number(len(header)) + b"".join(number(chunk, len(data)) for chunk, data in header.items())
    user = text(heads + b"".join(header.values()))
    squeezed = literal_lzo(body)
    form = b"BUCR" if packed else b"BUUR"
    inside = number(len(body)) + text(squeezed) if packed else body
    return b"GBX" + struct.pack("<H", 6) + form + number(kind) + user + number(2, 0) + inside


def skippable(chunk: int, content: bytes) -> bytes:
    return number(chunk) + b"PIKS" + text(content)


def challenge(
    blocks: list[tuple[str, int, int, int]],
    name: str = "A01-Race",
    uid: str = "uid_of_a01",
    author: str = "Nadeo",
    laps: int = 0,
    xml: str | None = XML,
    packed: bool = True,
) -> bytes:
    """Blocks are (name, x, y, z); one whose name begins with * has a skin, with - is deleted."""
    ids = Ids()
    body = number(0x0304300D) + ids("", "", "")
    stock = number(0x0301B000, 1) + ids("StadiumRoadMain", STADIUM, "Nadeo") + number(5, END_OF_NODE)
    parameters = number(0x0305B001) + 4 * text("") + number(0x0305B004, 1, 2, 3, 4, 0)
    parameters += number(0x0305B008, 60_000, 24540, END_OF_NODE)
    body += number(0x03043011, 1, 0x0301B000) + stock + number(2, 0x0305B000) + parameters + number(6)
    body += skippable(0x03043018, number(laps > 0, laps)) + skippable(0x03043019, b"\x02" + text(""))
    body += number(0x0304301F) + ids(uid, STADIUM, author) + text(name) + ids("Day", STADIUM, "Nadeo")
    body += number(32, 32, 32, 0, 1, sum(not block[0].startswith("-") for block in blocks))
    for place, (block, *at) in enumerate(blocks):
        flags = {"*": 0x9000, "-": NOTHING}.get(block[0], 0x1000)
        body += ids(block.lstrip("*-")) + bytes([place % 4, *at]) + number(flags)
        if flags == 0x9000:
            skin = (
                number(0x03059002)
                + text("")
                + 2 * (b"\x02" + text("sign.tga") + text("http"))
                + number(END_OF_NODE)
            )
            body += ids("Nadeo") + number(3 + place, 0x03059000) + skin
    body += number(0x03043022, 1) + number(END_OF_NODE)
    heads = Ids()
    common = b"\x05" + heads(uid, STADIUM, author) + text(name) + b"\x06" + number(0) + text("")
    common += heads("Day", STADIUM, "Nadeo") + bytes(16) + bytes(16)
    header = {
        0x03043002: b"\x0b" + number(0, 38030, 29190, 25870, 24540, 300, 0, 0, 0, 24540, 0),
        0x03043003: common,
        0x03043004: number(6),
    }
    if xml is not None:
        header[0x03043005] = text(xml.format(uid=uid, name=name, author=author))
    return container(0x03043000, header, body, packed)


def records(
    positions: np.ndarray, period_ms: int = 100, size: int = 61, even: bool = True, sizes: bool = False
) -> bytes:
    """The records of a ghost (T, 3), unpacked; with `sizes`, each after the first has its own."""
    points = [struct.pack("<3f", *point).ljust(size, b"\x55") for point in positions]
    data = number(0x0A02B000, even, 0, period_ms, 9) + text(b"".join(points)) + number(len(points))
    if points:
        data += number(0)
    if len(points) > 1:
        data += number(NOTHING, *[size] * (len(points) - 1)) if sizes else number(size)
    if not even:
        data += number(len(points), *(period_ms * np.arange(len(points))).tolist())
    return data


def ghost_chunks(held: bytes, time_ms: int = NOTHING, respawns: int = 0, ids: Ids | None = None) -> bytes:
    """The chunks of a ghost of TrackMania Forever, in its order."""
    ids = ids or Ids()
    out = number(0x0303F005, len(held)) + text(zlib.compress(held))
    out += skippable(0x03092005, number(time_ms)) + skippable(0x03092008, number(respawns))
    out += skippable(0x03092009, bytes(12)) + skippable(0x0309200A, number(0))
    out += (
        skippable(0x0309200B, number(1, 12_000, 0))
        + number(0x0309200C, 0)
        + number(0x0309200E)
        + ids("ghost")
    )
    out += number(0x0309200F) + text("driver") + number(0x03092010) + ids("uid_of_a01")
    out += (
        number(0x03092012, 0) + bytes(16) + skippable(0x03092013, bytes(8)) + skippable(0x03092014, number(6))
    )
    out += number(0x03092015) + ids("StadiumCar") + skippable(0x03092017, number(0) + text("nick") + text(""))
    out += number(0x03092018) + ids("StadiumCar", STADIUM, "Nadeo")
    keys = ids("_FakeIsRaceRunning", "Accelerate")
    out += number(0x03092019, 24_000, 0, 2) + keys + number(1, 0) + number(100_000) + b"\x01" + number(1)
    return out + text("TmForever.v2011") + number(1, 2, 3) + text("<x/>") + number(0) + number(END_OF_NODE)


def ghost(held: bytes, **options) -> bytes:
    return container(0x03092000, {}, ghost_chunks(held, **options))


def replay(ghosts: list[tuple[bytes, int, int]], track: bytes = b"", packed: bool = True) -> bytes:
    """Ghosts are (records, time, respawns)."""
    ids = Ids()
    body = number(0x03093002) + text(track) + skippable(0x03093007, number(0))
    body += number(0x03093014, 10, len(ghosts))
    for place, (held, time_ms, respawns) in enumerate(ghosts):
        body += number(1 + place, 0x03092000) + ghost_chunks(held, time_ms, respawns, ids)
    body += number(0, 0) + number(0x03093015, NOTHING) + number(END_OF_NODE)
    return container(0x03093000, {0x03093001: text("<header/>")}, body, packed)
