"""The plugin against the message table. No AngelScript compiler is at hand: this reads its text only."""

from __future__ import annotations

import re

import pytest

from btr_tm import __version__
from btr_tm.envs.tminterface.messages import LONGEST_STATE, MESSAGES, TABLE_VERSION, Field
from btr_tm.game.plugin_file import plugin_bytes, version_of

SOURCE = plugin_bytes().decode("ascii")
CODE = re.sub(r"//[^\n]*", "", re.sub(r'"[^"\n]*"', '""', SOURCE))  # without texts and comments
READS = {"Float": "f", "Int32": "i", "Uint32": "I", "Uint8": "B", "Bytes": "raw", "String": "raw"}
STEP = re.compile(r"g_client\.(?:Read(\w+)|Write(\(int\()?)|(?<![.:\w])([A-Z]\w+)\(")


def block(text: str, start: int) -> str:
    """What stands between the brace that follows `start` and its partner."""
    start = at = text.index("{", start)
    depth = 0
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            break
    return text[start + 1 : at]


FUNCTIONS = {
    found[1]: block(CODE, found.start()) for found in re.finditer(r"^[\w@:]+ (\w+)\([^)]*\)\n\{", CODE, re.M)
}


def steps(text: str, reads: bool) -> list[str]:
    """What a piece of code reads from the client, or writes to it, in order, with the functions it calls."""
    found = []
    for read, number, called in STEP.findall(text):
        if called:
            # what comes after a wait is another message
            found += steps(FUNCTIONS[called], reads) if called in FUNCTIONS and called != "Wait" else []
        elif bool(read) == reads:
            found.append(READS[read] if read else "i" if number else "raw")
    return found


def travelling(fields: tuple[Field, ...]) -> list[str]:
    lengths = {"bytes": ["i", "raw"], "text": ["i", "raw"], "version": ["i", "raw"], "frame": ["raw"]}
    return [part for field in fields for part in lengths.get(field.kind, [field.kind])]


def cases() -> dict[str, str]:
    """Each name of the table and the code that answers it."""
    switch, found, waiting = block(FUNCTIONS["Handle"], 0), {}, []
    for names, body in re.findall(r"((?:\s*case Message::\w+:)+)(.*?)break;", switch, re.S):
        for name in re.findall(r"Message::(\w+)", names):
            waiting.append(name)
            found[name] = body
    assert len(waiting) == len(set(waiting))
    return found


def test_braces_and_brackets_have_partners() -> None:
    partners, open_ones = {")": "(", "]": "[", "}": "{"}, []
    for letter in CODE:
        if letter in "([{":
            open_ones.append(letter)
        elif letter in partners:
            assert open_ones.pop() == partners[letter]
    assert not open_ones


def test_its_numbers_are_those_of_the_table() -> None:
    numbers = re.findall(r"(\w+) = (\d+)", block(CODE, CODE.index("enum Message")))
    assert {name: int(number) for name, number in numbers} == {m.name: m.number for m in MESSAGES}
    assert f"const int TABLE_VERSION = {TABLE_VERSION};" in CODE
    assert f"const int LONGEST_STATE = {LONGEST_STATE};" in CODE


def test_its_version_is_that_of_the_package() -> None:
    assert version_of(plugin_bytes()) == __version__


def test_each_message_has_one_case() -> None:
    assert set(cases()) == {message.name for message in MESSAGES}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_it_reads_and_writes_what_the_table_says(message) -> None:
    body = cases()[message.name]
    if message.sender == "game":
        assert "Drop(" in body  # Python never sends it but as an answer, which Wait takes
        sent = CODE.split(f"g_client.Write(int(Message::{message.name}));")
        assert len(sent) == 2, "written in one place"
        rest = sent[1][: sent[1].index("\n}")]
        rest = rest.split("Wait")[0] if message.waits else rest
        assert steps(rest, reads=False) == travelling(message.fields)
        assert not message.waits or re.search(rf"Wait\w*\(Message::{message.name}\)", CODE)
    else:
        assert steps(body, reads=True) == travelling(message.fields)
        assert steps(body, reads=False) == travelling(message.answer)


def test_every_read_is_announced_so_that_a_message_in_two_parts_is_whole() -> None:
    for name, body in FUNCTIONS.items():
        sizes = {"Float": 4, "Int32": 4, "Uint32": 4, "Uint8": 1}
        if name == "Wait" or name == "Render":
            continue  # the number itself: both look at Available first
        for line in re.split(r"\bcase ", body):
            needed = sum(sizes.get(kind, 0) for kind in re.findall(r"g_client\.Read(\w+)", line))
            promised = sum(int(size) for size in re.findall(r"Awaited\((\d+)\)", line))
            assert needed == promised, name
            assert len(re.findall(r"Read(?:Bytes|String)", line)) == len(re.findall(r"Awaited\(uint", line))


def test_a_frame_is_sent_for_the_size_that_was_asked_and_only_once() -> None:
    body = FUNCTIONS["SendFrame"]
    assert body.index("CaptureScreenshot(vec2(g_frameWidth, g_frameHeight))") < body.index("g_frameWidth = 0")
    assert body.index("g_frameHeight = 0") < body.index("Wait(")  # what the answer asks for, is the next


def test_a_stop_rewinds_to_the_present_and_presses_the_keys_again() -> None:
    assert "RewindToPresent(sim)" in FUNCTIONS["SetSpeed"].split("sim.SetSpeed")[0]
    body = FUNCTIONS["RewindToPresent"]
    assert body.index("RewindToState(sim.SaveState(), true)") < body.index("PressKeys(sim)")


def test_nobody_is_left_with_a_frozen_game() -> None:
    assert "SetSpeed(1)" in FUNCTIONS["Drop"] and "g_timeout = DEFAULT_TIMEOUT_MS" in FUNCTIONS["Drop"]
    assert "began" in FUNCTIONS["Wait"] and FUNCTIONS["Wait"].count("began =") == 1  # from the entry on
