"""The inside of a Gbx file: nodes, each a list of chunks, of which some can be skipped unread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from btr_tm.maps.gbx.container import MOST_CHUNKS, current
from btr_tm.maps.gbx.cursor import NOTHING, Cursor

END_OF_NODE = 0xFACADE01
SKIPPABLE = 0x534B4950
DEEPEST = 20  # nodes within each other
MOST_NODES = 100_000

Parse = Callable[["Nodes", Cursor], object]


class Nodes:
    """Walks through nodes with one parser for each chunk; what parsers return is found by the chunk's number.

    A chunk without a parser must be skippable: of the others nobody knows how long they are.
    """

    def __init__(self, parsers: Mapping[int, Parse]) -> None:
        self.parsers = parsers
        self.known: set[int] = set()  # nodes that were read; a later reference holds their number only
        self.depth = 0

    def chunks(self, cursor: Cursor) -> Iterator[tuple[int, object]]:
        """Number and content of each chunk with a parser, up to the end of the node."""
        for _ in range(MOST_CHUNKS):
            number = cursor.number()
            if number == END_OF_NODE:
                return
            chunk = current(number)
            if chunk in self.parsers:
                yield chunk, self._chunk(chunk, cursor)
            elif not _skip(cursor):
                cursor.refuse(f"chunk {number:08X} is not known and cannot be skipped")
        cursor.refuse(f"more than {MOST_CHUNKS:,} chunks in one node")

    def node(self, cursor: Cursor) -> dict[int, object]:
        """All chunks of a node with parsers; of one that stands twice, the last."""
        if self.depth >= DEEPEST:
            cursor.refuse(f"more than {DEEPEST} nodes within each other")
        self.depth += 1
        content = dict(self.chunks(cursor))
        self.depth -= 1
        return content

    def reference(self, cursor: Cursor) -> dict[int, object]:
        """The node that follows if it was not read before; empty for one that was, or for none."""
        place = cursor.number()
        if place == NOTHING or place in self.known:
            return {}
        if len(self.known) >= MOST_NODES:
            cursor.refuse(f"more than {MOST_NODES:,} nodes")
        self.known.add(place)
        cursor.number()  # its class
        return self.node(cursor)

    def _chunk(self, chunk: int, cursor: Cursor) -> object:
        """One with a parser. If it is skippable, it may be longer than what is parsed of it."""
        size = _size_if_skippable(cursor)
        if size is None:
            return self.parsers[chunk](self, cursor)
        end = cursor.at + size
        if size > cursor.left:
            cursor.refuse(f"a chunk of {size:,} bytes should follow, and {cursor.left:,} do")
        content = self.parsers[chunk](self, cursor)
        if cursor.at > end:
            cursor.refuse(f"chunk {chunk:08X} has {size:,} bytes, and what is in it needs more")
        cursor.at = end
        return content


def _skip(cursor: Cursor) -> bool:
    """Whether the chunk could be skipped."""
    size = _size_if_skippable(cursor)
    if size is None:
        return False
    cursor.raw(size)
    return True


def _size_if_skippable(cursor: Cursor) -> int | None:
    at = cursor.at
    if cursor.left >= 8 and cursor.number() == SKIPPABLE:
        return cursor.number()
    cursor.at = at
    return None
