"""Reads the plain values of a Gbx file one after the other, and never beyond its end.

Source of the format: wiki.xaseco.org/wiki/GBX.
"""

from __future__ import annotations

import struct
from typing import NoReturn

from btr_tm.core.errors import UserError
from btr_tm.core.files import short

LOOKBACK_VERSION = 3
KEPT, NEW = 0xC0000000, 0x3FFFFFFF  # bits of an id that mark text, and those of its number
NOTHING = 0xFFFFFFFF
LONGEST_TEXT = 1 << 16  # bytes of a text that is read; names have some dozens


class Cursor:
    """A place in `data`, which is the part `part` of the file `source`.

    Every method moves on, and raises UserError with file, part and byte where the data end before it does.
    """

    def __init__(self, data: bytes, source: str, part: str) -> None:
        self.data, self.source, self.part, self.at = data, source, part, 0
        self.texts: list[str] | None = None  # those that ids refer back to; None before the first id

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self.data) - self.at

    def refuse(self, what: str) -> NoReturn:
        """Raise UserError: `what` is wrong here."""
        where = f"byte {self.at:,} of its {self.part}"
        raise UserError(f"{self.source} is damaged or of a kind that is not known: {what} ({where})")

    def raw(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > self.left:
            self.refuse(f"{count:,} bytes should follow, and {self.left:,} do")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self) -> int:
        return self.raw(1)[0]

    def word(self) -> int:
        """Of 16 bits."""
        return int.from_bytes(self.raw(2), "little")

    def number(self) -> int:
        """Of 32 bits, without a sign."""
        return int.from_bytes(self.raw(4), "little")

    def numbers(self, count: int) -> tuple[int, ...]:
        """`count` of them."""
        return struct.unpack(f"<{count}I", self.raw(4 * count))

    def count(self, least_bytes: int) -> int:
        """How many entries follow, each of at least `least_bytes`."""
        count = self.number()
        if count * least_bytes > self.left:
            self.refuse(f"{count:,} entries should follow in {self.left:,} bytes")
        return count

    def block(self) -> bytes:
        """Bytes with their number before them."""
        return self.raw(self.number())

    def text(self) -> str:
        """A text with its length before it; longer ones than any name are cut."""
        return self.block()[:LONGEST_TEXT].decode("utf-8", errors="replace").removeprefix("\ufeff")

    def time_ms(self) -> int | None:
        """A time; None if there is none."""
        value = self.number()
        return None if value == NOTHING else value

    def id(self) -> str:
        """A name that may refer back to one before ("lookback string"); collections are numbers in digits."""
        if self.texts is None:
            self.texts = []
            if (version := self.number()) != LOOKBACK_VERSION:
                self.refuse(f"ids of version {LOOKBACK_VERSION} should follow, got {version}")
        value = self.number()
        if value & KEPT in (0, KEPT):
            return "" if value & KEPT else str(value)
        place = value & NEW
        if place == 0:
            self.texts.append(self.text())
        elif place > len(self.texts):
            self.refuse(f"an id refers to name {place} of {len(self.texts)}")
        return self.texts[place - 1]

    def ident(self) -> tuple[str, str, str]:
        """Id, collection and author of something."""
        return self.id(), self.id(), self.id()

    def file_reference(self) -> None:
        """Skip the reference to a file of a skin, a sound or a mod."""
        version = self.byte()
        if version >= 3:
            self.raw(32)
        path = self.block()
        if (path and version >= 1) or version >= 3:
            self.block()


def shown(text: str) -> str:
    """A name of the game without its codes for colours and styles, on one line: `$f00Fast$z` is Fast."""
    parts, plain = text.replace("$$", "\0").split("$"), ""
    for number, part in enumerate(parts):
        if number == 0:
            plain += part
        elif part[:1].lower() in "0123456789abcdef" and part:
            plain += part[3:]
        else:
            plain += part[1:]
    return short(plain.replace("\0", "$").strip(), 120)
