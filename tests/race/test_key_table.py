"""A race as ranges, as events and as a table of keys is one race."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.race.inputs_file import InputsFile, parse

RACE = InputsFile.from_actions(torch.tensor([0, 1, 1, 3, 6]), 5, track="a01", physics=1, time_ms=240)


def test_events_are_as_the_game_reads_them():
    assert RACE.events_text().splitlines()[4:] == [
        "0.00 press up", "0.05 press left", "0.15 rel up", "0.15 rel left", "0.20 press down", "0.25 rel down"
    ]  # fmt: skip


def test_the_table_has_a_row_per_decision():
    assert RACE.keys_text(5).splitlines()[4:] == [
        "time_ms,action,keys", "0,0,up", "50,1,up left", "100,1,up left", "150,3,", "200,6,down"
    ]  # fmt: skip
    with pytest.raises(UserError, match="a key changes soon after 0.00 s, within a decision of 6 ticks"):
        RACE.keys_text(6)


@pytest.mark.parametrize("ends", [0, 3])
def test_every_form_holds_the_same_keys_in_every_tick(ends):
    decisions = torch.cat(
        (torch.randint(0, 12, (500,), generator=torch.Generator().manual_seed(1)), torch.full((ends,), 3))
    )
    race = InputsFile.from_actions(decisions, 5, "hills", 2, 23_890)
    for text in (race.text(), race.events_text(), race.keys_text(5), race.keys_text(1)):
        read = parse(text)
        assert torch.equal(read.actions, race.actions)
        assert (read.track, read.physics, read.time_ms) == ("hills", 2, 23_890)


def test_a_table_written_by_hand_is_read():
    text = " Time_ms , action \n\n0, 1 # off we go\n30,0\n60,3,\n"
    assert parse(text).actions.tolist() == [1] * 3 + [0] * 3 + [3] * 3
    assert parse("# ticks: 7\n" + text).actions.tolist() == [1] * 3 + [0] * 3 + [3]
    assert parse("time_ms,action\n0,4").actions.tolist() == [4]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("", "no rows below the heading of the table in inputs"),
        ("0.5,1", r"must read '<time_ms>,<action>,<keys>' .*got '0.5,1' \(inputs, line 2\)"),
        ("0,1,up left,x", r"must read .*got '0,1,up left,x' \(inputs, line 2\)"),
        ("0,1\n15,1", r"multiple of 10 ms within an hour, got 15 \(inputs, line 3\)"),
        ("0,1\n3600000,1", r"within an hour, got 3600000 \(inputs, line 3\)"),
        ("0,36", r"actions must be from 0 to 35, got 36 \(inputs, line 2\)"),
        ("0,1,up right", r"action 1 holds up left, got 'up right' \(inputs, line 2\)"),
        ("0,3,up", r"action 3 holds no key, got 'up' \(inputs, line 2\)"),
        ("50,1", r"first row must be at 0 ms, got 50 \(inputs, line 2\)"),
        ("0,1\n50,1\n50,2", r"in the order of their times, got 50 ms after 50 ms \(inputs, line 4\)"),
        ("0,1\n# ticks: 5\n50,2", "the race has 5 ticks of 10 ms, and the table goes on after it"),
    ],
)
def test_a_bad_table_is_refused_in_a_sentence_with_its_line(rows, sentence):
    with pytest.raises(UserError, match=sentence) as raised:
        parse("time_ms,action,keys\n" + rows)
    assert "\n" not in str(raised.value)
