"""What travels between the game and its driver: one table, and how a row of it becomes bytes and back.

The game listens, we connect. Each message is its number (int32), then its fields, all little-endian, without
frame or length. The game stands still inside a message that it `waits` for until we send the number back.
Message 24 is ours: the plugin says who it is as soon as we connect. A Python_Link plugin never sends it.
"""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

from btr_tm.core.errors import UserError

TABLE_VERSION = 1  # of messages and fields below; a plugin names the one that it was written for
LONGEST_STATE = 1 << 20  # bytes; a saved state has 8,356, and 12 more for each checkpoint
LONGEST_TEXT = 1 << 20  # bytes; the input events of a long race
LONGEST_VERSION = 64  # bytes
MENUS, LOADING_RACE, LOCAL_RACE = 32, 128, 512  # game states, as TMInterface numbers them

Kind = Literal["i", "I", "f", "B", "bytes", "text", "version", "frame"]
Value = int | float | str | bytes
BOUNDS = {"bytes": LONGEST_STATE, "text": LONGEST_TEXT, "version": LONGEST_VERSION}


class ProtocolError(UserError):
    """The other side sent something that does not belong there; names the message and what we were doing."""


class Field(NamedTuple):
    """`kind`: a code of `struct`; or bytes or text after their length (int32); or the pixels of a frame."""

    name: str
    kind: Kind


class Message(NamedTuple):
    """A row of the table."""

    number: int
    name: str
    sender: Literal["game", "driver", "both"]
    fields: tuple[Field, ...] = ()
    answer: tuple[Field, ...] = ()  # what the game sends back at once, without a number
    waits: bool = False  # the game stands still until the number comes back


def _fields(text: str) -> tuple[Field, ...]:
    pairs = (pair.split(":") for pair in text.split())
    return tuple(Field(name, kind) for name, kind in pairs)  # type: ignore[arg-type]


_COUNTS, _STATE, _YES = _fields("current:i target:i"), _fields("state:bytes"), _fields("yes:i")
MESSAGES = (
    Message(1, "RUN_STEP_SYNC", "game", _fields("race_time_ms:i"), waits=True),
    Message(2, "CHECKPOINT_COUNT_CHANGED_SYNC", "game", _COUNTS, waits=True),
    Message(3, "LAP_COUNT_CHANGED_SYNC", "game", _COUNTS, waits=True),
    Message(4, "REQUESTED_FRAME_SYNC", "game", _fields("pixels:frame"), waits=True),
    Message(5, "ON_CONNECT_SYNC", "game", waits=True),
    Message(6, "SET_SPEED", "driver", _fields("speed:f")),
    Message(7, "REWIND_TO_STATE", "driver", _STATE),
    Message(8, "REWIND_TO_CURRENT_STATE", "driver"),
    Message(9, "GET_SIMULATION_STATE", "driver", answer=_STATE),
    Message(10, "SET_INPUT_STATE", "driver", _fields("left:B right:B accelerate:B brake:B")),
    Message(11, "GIVE_UP", "driver"),
    Message(12, "PREVENT_SIMULATION_FINISH", "driver"),
    Message(13, "SHUTDOWN", "both"),
    Message(14, "EXECUTE_COMMAND", "driver", _fields("command:text")),
    Message(15, "SET_TIMEOUT", "driver", _fields("timeout_ms:I")),
    Message(16, "RACE_FINISHED", "driver", answer=_YES),
    Message(17, "REQUEST_FRAME", "driver", _fields("width:i height:i")),
    Message(18, "RESET_CAMERA", "driver"),
    Message(19, "SET_ON_STEP_PERIOD", "driver", _fields("period_ms:i")),
    Message(20, "UNREQUEST_FRAME", "driver"),
    Message(21, "TOGGLE_INTERFACE", "driver", _fields("visible:i")),
    Message(22, "IS_IN_MENUS", "driver", answer=_YES),
    Message(23, "GET_INPUTS", "driver", answer=_fields("inputs:text")),
    Message(24, "HELLO", "game", _fields("table:i plugin:version game:version game_state:i")),
)
BY_NAME = {message.name: message for message in MESSAGES}
BY_NUMBER = {message.number: message for message in MESSAGES}


def encode(name: str, *values: Value) -> bytes:
    """The message `name` with its fields."""
    message = BY_NAME[name]
    return struct.pack("<i", message.number) + encode_fields(message.fields, *values)


def encode_fields(fields: tuple[Field, ...], *values: Value) -> bytes:
    """`values` as they travel; also the answer to a message: `BY_NAME[name].answer`."""
    return b"".join(_encoded(field, value) for field, value in zip(fields, values, strict=True))


def _encoded(field: Field, value: Value) -> bytes:
    if field.kind not in ("bytes", "text", "version", "frame"):
        return struct.pack("<" + field.kind, value)
    assert isinstance(value, str | bytes), (field, value)
    content = value.encode() if isinstance(value, str) else value
    if field.kind == "frame":
        return content
    if len(content) > BOUNDS[field.kind]:
        raise UserError(
            f"{field.name} has {len(content):,} bytes, the game takes {BOUNDS[field.kind]:,} at most"
        )
    return struct.pack("<i", len(content)) + content


class Decoded(NamedTuple):
    """Fields that have arrived, and how many bytes they had."""

    values: tuple[Value, ...]
    size: int


def decode_number(data: bytes | bytearray, sender: Literal["game", "driver"], where: str) -> Message | None:
    """The message that `data` begins with, None if more bytes are needed; ProtocolError unless `sender` sends
    such a one. `where` says what we were doing.
    """
    if len(data) < 4:
        return None
    (number,) = struct.unpack_from("<i", data)
    message = BY_NUMBER.get(number)
    if message is None or message.sender not in (sender, "both"):
        known = "which is unknown" if message is None else f"{message.name}, which a {sender} never sends"
        raise ProtocolError(f"the message {number} came, {known}, {where}")
    return message


def decode_fields(
    fields: tuple[Field, ...], data: bytes | bytearray, start: int, frame_bytes: int, where: str
) -> Decoded | None:
    """The fields from byte `start` of `data` on, None if more bytes are needed.

    A frame has `frame_bytes`. ProtocolError for a length that is negative or too large, or for bytes that are
    no text; `where` says in which message, and what we were doing.
    """
    values: list[Value] = []
    at = start
    for field in fields:
        size = frame_bytes if field.kind == "frame" else struct.calcsize("<" + _number_code(field))
        if len(data) < at + size:
            return None
        if field.kind == "frame":
            values.append(bytes(data[at : at + size]))
            at += size
            continue
        (value,) = struct.unpack_from("<" + _number_code(field), data, at)
        at += size
        if field.kind in BOUNDS:
            _check_length(field, value, where)
            if len(data) < at + value:
                return None
            content = bytes(data[at : at + value])
            at += value
            value = content if field.kind == "bytes" else _text(field, content, where)
        values.append(value)
    return Decoded(tuple(values), at - start)


def _number_code(field: Field) -> str:
    return "i" if field.kind in BOUNDS else field.kind


def _check_length(field: Field, length: int, where: str) -> None:
    if not 0 <= length <= BOUNDS[field.kind]:
        raise ProtocolError(
            f"the length of {field.name} is {length}, not 0 to {BOUNDS[field.kind]:,}, {where}"
        )


def _text(field: Field, content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError(f"{field.name} is not UTF-8 text: {content[:20]!r}, {where}") from None
