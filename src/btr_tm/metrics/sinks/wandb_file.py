"""Reads a .wandb file: records of protobuf in LevelDB's log format; wandb itself has no reader any more."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.core.files import parse_json, read_bytes
from btr_tm.core.types import JsonObject

BLOCK, FILE_HEADER, RECORD_HEADER = 32768, 7, struct.Struct("<IHB")
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
MAGIC = b":W&B"
FILE_BYTES = 2**31


class Logged(NamedTuple):
    """What a file says of its run."""

    name: str
    config: JsonObject
    rows: list[JsonObject]  # of the history
    ended: bool  # the run said so, and that nothing went wrong


def read(path: Path) -> Logged:
    """The whole file; a last record that was cut short is left out."""
    name, ended = path.stem, False
    config: JsonObject = {}
    rows: list[JsonObject] = []
    for record in parsed(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            name = record.run.display_name or record.run.run_id or name
            config |= {item.key: value_of(item, path) for item in record.run.config.update}
        elif kind == "history":
            items = record.history.item
            rows.append({item.key or ".".join(item.nested_key): value_of(item, path) for item in items})
        elif kind == "exit":
            ended = record.exit.exit_code == 0
    return Logged(name, config, rows, ended)


def value_of(item: Any, path: Path) -> Any:
    """The value of an item; UserError where it is no JSON."""
    return parse_json(f'{{"value": {item.value_json}}}', path)["value"]


def parsed(path: Path) -> Iterator[Any]:
    """Its records; UserError for a file of another kind."""
    from google.protobuf.message import DecodeError
    from wandb.proto import wandb_internal_pb2

    kind: Any = wandb_internal_pb2  # it makes its classes when it is imported

    data = read_bytes(path, FILE_BYTES)
    if data and not data.startswith(MAGIC):
        raise UserError(f"{path} is no file of wandb")
    try:
        for record in records(data):
            yield kind.Record.FromString(record)
    except DecodeError as error:
        raise UserError(f"{path} is damaged") from error


def records(data: bytes) -> Iterator[bytes]:
    """Whole records; one that was cut short is left out."""
    at = FILE_HEADER
    parts: list[bytes] = []
    while at + RECORD_HEADER.size <= len(data):
        left = BLOCK - at % BLOCK
        if left < RECORD_HEADER.size:
            at += left
            continue
        _, size, kind = RECORD_HEADER.unpack_from(data, at)
        begin = at + RECORD_HEADER.size
        at = begin + size
        if kind not in (FULL, FIRST, MIDDLE, LAST) or at > len(data):
            return
        parts = parts if kind in (MIDDLE, LAST) else []
        parts.append(data[begin:at])
        if kind in (FULL, LAST):
            yield b"".join(parts)
