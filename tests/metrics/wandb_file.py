"""Reads a .wandb file: records of protobuf in the log format of LevelDB."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

BLOCK, FILE_HEADER, RECORD_HEADER = 32768, 7, struct.Struct("<IHB")
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def history(path: Path) -> list[dict[str, str]]:
    """The rows of a run, each as JSON by name."""
    from wandb.proto.wandb_internal_pb2 import Record

    read = [Record.FromString(data) for data in records(path.read_bytes())]
    rows = [record.history.item for record in read if record.WhichOneof("record_type") == "history"]
    return [{item.key or item.nested_key[0]: item.value_json for item in row} for row in rows]


def records(data: bytes) -> Iterator[bytes]:
    """Whole records; one that was cut short is left out."""
    at, parts = FILE_HEADER, []
    while at + RECORD_HEADER.size <= len(data):
        left = BLOCK - at % BLOCK
        if left < RECORD_HEADER.size:
            at += left
            continue
        _, size, kind = RECORD_HEADER.unpack_from(data, at)
        if kind not in (FULL, FIRST, MIDDLE, LAST):
            return
        parts = parts if kind in (MIDDLE, LAST) else []
        parts.append(data[at + RECORD_HEADER.size : at + RECORD_HEADER.size + size])
        at += RECORD_HEADER.size + size
        if kind in (FULL, LAST):
            yield b"".join(parts)
