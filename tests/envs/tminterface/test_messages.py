"""Every message byte by byte."""

from __future__ import annotations

import struct

import pytest

from btr_tm.core.errors import UserError
from btr_tm.envs.tminterface.messages import (
    BY_NAME,
    MESSAGES,
    ProtocolError,
    decode_fields,
    decode_number,
    encode,
    encode_fields,
)

BYTES = {  # as Python_Link's plugin reads and writes them
    ("RUN_STEP_SYNC", -2600): "01000000 d8f5ffff",
    ("CHECKPOINT_COUNT_CHANGED_SYNC", 1, 5): "02000000 01000000 05000000",
    ("LAP_COUNT_CHANGED_SYNC", 0, 1): "03000000 00000000 01000000",
    ("REQUESTED_FRAME_SYNC", b"\x01\x02\x03\xff"): "04000000 010203ff",
    ("ON_CONNECT_SYNC",): "05000000",
    ("SET_SPEED", 32.0): "06000000 00000042",
    ("REWIND_TO_STATE", b"\x07\x08"): "07000000 02000000 0708",
    ("REWIND_TO_CURRENT_STATE",): "08000000",
    ("GET_SIMULATION_STATE",): "09000000",
    ("SET_INPUT_STATE", 1, 0, 1, 0): "0a000000 01 00 01 00",
    ("GIVE_UP",): "0b000000",
    ("PREVENT_SIMULATION_FINISH",): "0c000000",
    ("SHUTDOWN",): "0d000000",
    ("EXECUTE_COMMAND", "cam 2"): "0e000000 05000000 63616d2032",
    ("SET_TIMEOUT", 600_000_000): "0f000000 0046c323",
    ("RACE_FINISHED",): "10000000",
    ("REQUEST_FRAME", 160, 120): "11000000 a0000000 78000000",
    ("RESET_CAMERA",): "12000000",
    ("SET_ON_STEP_PERIOD", 50): "13000000 32000000",
    ("UNREQUEST_FRAME",): "14000000",
    ("TOGGLE_INTERFACE", 0): "15000000 00000000",
    ("IS_IN_MENUS",): "16000000",
    ("GET_INPUTS",): "17000000",
    ("HELLO", 1, "0.1", "2.2.1", 32): "18000000 01000000 03000000 302e31 05000000 322e322e31 20000000",
}


@pytest.mark.parametrize(("message", "expected"), list(BYTES.items()), ids=lambda item: str(item[0]))
def test_bytes_of_every_message(message: tuple, expected: str) -> None:
    sent = encode(*message)
    assert sent == bytes.fromhex(expected.replace(" ", ""))
    row = BY_NAME[message[0]]
    sender = "driver" if row.sender == "driver" else "game"
    assert decode_number(sent, sender, "in a test") is row
    for cut in range(len(sent)):
        assert cut < 4 or decode_fields(row.fields, sent[:cut], 4, 4, "in a test") is None
    assert decode_fields(row.fields, sent, 4, 4, "in a test") == (message[1:], len(sent) - 4)


def test_table_is_whole() -> None:
    assert [message.number for message in MESSAGES] == list(range(1, 25))
    assert {message[0] for message in BYTES} == set(BY_NAME)
    assert {m.name for m in MESSAGES if m.answer} == {
        "GET_SIMULATION_STATE",
        "RACE_FINISHED",
        "IS_IN_MENUS",
        "GET_INPUTS",
    }


def test_lengths_count_bytes_not_characters() -> None:
    assert encode("EXECUTE_COMMAND", "map é")[4:8] == struct.pack("<i", 6)


@pytest.mark.parametrize("number", [0, 25, -1, 2**31 - 1])
def test_unknown_message(number: int) -> None:
    with pytest.raises(ProtocolError, match=f"message {number} came, which is unknown, while testing"):
        decode_number(struct.pack("<i", number), "game", "while testing")


def test_message_from_the_wrong_side() -> None:
    with pytest.raises(ProtocolError, match="SET_SPEED, which a game never sends, while testing"):
        decode_number(struct.pack("<i", 6), "game", "while testing")


@pytest.mark.parametrize("length", [-1, -(2**31), 2**31 - 1, 1 << 21])
def test_length_out_of_bounds(length: int) -> None:
    fields = BY_NAME["GET_SIMULATION_STATE"].answer
    with pytest.raises(ProtocolError, match=f"length of state is {length}, .* while testing"):
        decode_fields(fields, struct.pack("<i", length), 0, 0, "while testing")


def test_text_that_is_none() -> None:
    answer = encode_fields(BY_NAME["GET_SIMULATION_STATE"].answer, b"\xff\xfe")
    with pytest.raises(ProtocolError, match="inputs is not UTF-8"):
        decode_fields(BY_NAME["GET_INPUTS"].answer, answer, 0, 0, "while testing")


def test_too_long_to_send() -> None:
    with pytest.raises(UserError, match="state has 1,048,577 bytes"):
        encode("REWIND_TO_STATE", bytes((1 << 20) + 1))
