from __future__ import annotations

import time

import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.race import inputs_file
from btr_tm.race.inputs_file import InputsFile, parse


def test_text_is_as_the_game_reads_it():
    # gas, gas + left, gas + left, nothing, brake: 50 ms each
    decisions = torch.tensor([0, 1, 1, 3, 6])
    file = InputsFile.from_actions(decisions, 5, track="a01", physics=1, time_ms=240)
    assert file.text() == (
        "# track: a01\n"
        "# physics: 1\n"
        "# time_ms: 240\n"
        "# ticks: 25\n"
        "0.00-0.15 press up\n"
        "0.05-0.15 press left\n"
        "0.20-0.25 press down\n"
    )


@pytest.mark.parametrize(
    ("half_width_m", "written"), [(12.0, "12"), (10.5, "10.5"), (10.1234567, "10.1234567")]
)
def test_the_width_of_a_reference_line_keeps_its_digits(half_width_m, written):
    file = InputsFile("line", 1, 150, torch.zeros(15, dtype=torch.int64), half_width_m)
    assert f"# half_width_m: {written}\n" in file.text()
    assert parse(file.text(), "race.inputs").half_width_m == half_width_m


@pytest.mark.parametrize("ticks_per_action", [1, 5, 7])
def test_any_race_survives_a_round_trip(tmp_path, ticks_per_action):
    generator = torch.Generator().manual_seed(ticks_per_action)
    decisions = torch.randint(0, 12, (479,), generator=generator)
    decisions[-3:] = 3  # coasting over the line leaves no press behind
    written = InputsFile.from_actions(decisions, ticks_per_action, "hills", 2, 23_890)
    written.write(tmp_path / "race.inputs")
    read = InputsFile.read(tmp_path / "race.inputs")
    assert (read.track, read.physics, read.time_ms) == ("hills", 2, 23_890)
    assert torch.equal(read.actions, written.actions)
    assert torch.equal(read.to_actions(ticks_per_action), decisions)


def test_a_part_of_a_turn_is_written_as_an_analog_steer_and_read_again():
    text = InputsFile("a01", 1, 0, torch.tensor([0, 12, 12, 13, 1, 22, 29])).text()
    assert text.splitlines()[4:] == [
        "0.00-0.05 press up",
        "0.04-0.05 press left",
        "0.06-0.07 press up",
        "0.01-0.03 steer -32768",
        "0.03-0.04 steer 32768",
        "0.05-0.06 steer -16384",
        "0.06-0.07 steer 49152",
    ]
    decisions = torch.randint(0, 36, (800,), generator=torch.Generator().manual_seed(3))
    file = InputsFile("a01", 1, 0, decisions)
    for written in (file.text(), file.events_text(), file.keys_text(1)):
        assert torch.equal(parse(written).actions, decisions)
    assert "10,12,up half left" in file_of(12).keys_text(1)
    assert "10,34,up down three quarters left" in file_of(34).keys_text(1)


def file_of(action: int) -> InputsFile:
    return InputsFile("a01", 1, 0, torch.tensor([0, action]))


def test_a_race_of_minutes_survives_a_round_trip():
    decisions = torch.randint(0, 12, (6000,), generator=torch.Generator().manual_seed(0))
    assert torch.equal(parse(InputsFile.from_actions(decisions, 5, "", 1, 0).text()).to_actions(5), decisions)


def test_a_file_without_header_from_the_published_writer_is_read():
    file = parse("0.0-0.1 press up\n0.05-0.1 press right\n")
    assert (file.track, file.physics, file.time_ms) == ("", 0, 0)
    assert file.actions.tolist() == [0] * 5 + [2] * 5


def test_minutes_comments_and_blank_lines_are_understood():
    file = parse("# driven by hand\n\n  0:59.99-1:00.01 press down  \r\n")
    assert len(file.actions) == 6001
    assert file.actions[5998:].tolist() == [3, 6, 6]


def test_a_last_decision_that_is_cut_short_is_filled_up():
    file = InputsFile("", 1, 70, torch.tensor([0] * 5 + [6] * 2))
    assert file.to_actions(5).tolist() == [0, 6]


def test_inputs_finer_than_the_decisions_are_refused_in_a_sentence():
    file = InputsFile("", 1, 0, torch.tensor([0] * 5 + [0, 0, 1, 1, 1]))
    with pytest.raises(UserError, match="changes soon after 0.05 s, within a decision of 5 ticks"):
        file.to_actions(5)
    assert len(file.to_actions(1)) == 10


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("0.00-0.10 press up\nsteer 12\n", "the time is missing, got 'steer 12' .*line 2"),
        ("hello\n", "must read .* the time is missing, got 'hello' .*line 1"),
        ("0.00-0.10 press jump\n", "must read .*got 'press jump' .*line 1"),
        ("0.00-0.10 press\n", "must read .*line 1"),
        ("0.00-0.10 up\n", "must read .*line 1"),
        ("0.00-0.10 press up 1\n", "must read .*line 1"),
        ("0.00-0.10\n", "must read .*line 1"),
        ("0.00-0.10-0.20 press up\n", "must read .*line 1"),
        ("0,00-0,10 press up\n", "must read .*line 1"),
        ("0.5 steer -300\n", "steer must be a multiple of 16384 from -65536 to 65536, got -300 .*line 1"),
        ("0.5 gas 32768\n", "gas must be -65536, 0 or 65536, got 32768 .*line 1"),
        ("0.5 gas 30000\n", "gas must be -65536, 0 or 65536, got 30000 .*line 1"),
        ("0.5 steer\n", "must read .*line 1"),
        ("0.5 steer left\n", "must read .*line 1"),
        ("1 press up\n9.23 press enter\n", "'press enter' goes back to a checkpoint.*line 2"),
        ("0 press delete\n", "'press delete' starts again.*line 1"),
        ("0-15 press up\n", "multiple of 0.01 s, got 15 ms, where all are whole numbers .*line 1"),
        ("0.00-0.1099 press up\n", "multiple of 0.01 s, got a finer one .*line 1"),
        (
            "0-10 press up\n0.50-1.00 press left\n",
            "10 may be seconds or milli.*10.00 or 0.01 .*line 1",
        ),
        ("0-3600010 press up\n", "within an hour, got 3,600.01 s .*line 1"),
        ("1:00:00.01 press up\n", "within an hour, got 3,600.01 s .*line 1"),
        ("0 press left\n0.5 steer 65536\n", "both held at 0.50 s .*line 2"),
        ("0.105-0.20 press up\n", "line 1"),
        ("-0.10-0.20 press up\n", "line 1"),
        ("0.20-0.10 press up\n", "start before its end.*line 1"),
        ("0.20-0.20 press up\n", "start before its end.*line 1"),
        ("0.20-3600.01 press up\n", "within an hour.*line 1"),
        ("0.20-999999.00 press up\n", "within an hour.*line 1"),
        ("0.00-1.00 press left\n0.50-0.60 press right\n", "both held at 0.50 s .*line 2"),
        ("0.55-0.60 press left\n0.50-0.60 press right\n", "both held at 0.55 s .*line 1"),
        ("# time_ms: 1000000000001\n0.00-0.10 press up\n", "time_ms must be a number up to 1000000000000, "),
        ("# ticks: 360001\n0.00-0.10 press up\n", "ticks must be a number up to 360000, "),
        ("# physics: new\n0.00-0.10 press up\n", "physics must be .*got 'new' .*line 1"),
        ("# ticks: 99999999\n0.00-0.10 press up\n", "ticks must be .*line 1"),
        ("", "no key presses"),
        ("# track: a01\n", "no key presses"),
    ],
)
def test_bad_text_is_refused_in_a_sentence_with_its_line(text, complaint):
    with pytest.raises(UserError, match=complaint) as raised:
        parse(text)
    assert "\n" not in str(raised.value)


def test_errors_name_the_file_and_cut_long_lines(tmp_path):
    path = tmp_path / "race.inputs"
    path.write_text("x" * 100)
    with pytest.raises(UserError) as raised:
        InputsFile.read(path)
    assert f"({path}, line 1)" in str(raised.value)
    assert "x" * 77 + "..." in str(raised.value) and "x" * 78 not in str(raised.value)
    with pytest.raises(UserError, match=r"\(inputs, line 1\)"):
        parse("nonsense")


# As people write them; what is held in ticks of 10 ms.
GAS, LEFT, RIGHT, COAST, BRAKE = 0, 1, 2, 3, 6
WILD = {
    "0-0.05 press up": [GAS] * 5,
    "0-1.75 press up": [GAS] * 175,
    "1-1.02 press up": [COAST] * 100 + [GAS] * 2,  # no milliseconds: these end in 0
    "0-60 press up": [GAS] * 6,
    "0-1000 press up\n500-1000 press left": [GAS] * 50 + [LEFT] * 50,
    "0:00.00-0:00.05 press up": [GAS] * 5,
    "0:00:00.00-0:00:00.05 press up": [GAS] * 5,
    "0.000-0.0500 press up": [GAS] * 5,
    "0.00-0.05 press up # flat out": [GAS] * 5,
    "0.00-0.05 press up; 0.02-0.05 press left;": [GAS] * 2 + [LEFT] * 3,
    "0.00-0.05 press up # ; 0.02-0.05 press left": [GAS] * 5,
    "\t 0.00-0.05\tPress  UP ": [GAS] * 5,
    "0 press up\n0.02 press left\n0.03 rel left\n0.05 rel up": [GAS, GAS, LEFT, GAS, GAS],
    "0.05 rel up\n0 press up": [GAS] * 5,
    "0 gas -65536\n20 gas 65536\n50 gas 0": [GAS] * 2 + [BRAKE] * 3,
    "0-50 press up\n10-30 steer -65536\n30-40 steer +65536": [GAS, LEFT, LEFT, RIGHT, GAS],
    "0-50 press up\n10 steer 65536\n10 steer 0\n": [GAS] * 5,
    "set log_bot true\n0 set speed 30 # fast\n0-50 press up\n30 press horn": [GAS] * 5,
    "0.00-0.03 press up\n0.01-0.05 press up": [GAS] * 3 + [COAST] * 2,  # the first end lets go
    "0.01-0.05 press up\n0.00-0.03 press up": [GAS] * 3 + [COAST] * 2,
    "0.00-0.05 press up\n0.01-0.03 press up": [GAS] * 3 + [COAST] * 2,
    "0.00-0.03 press up\n0.03-0.05 press up": [GAS] * 5,  # one after the other, in any order
    "0.03-0.05 press up\n0.00-0.03 press up": [GAS] * 5,
}


@pytest.mark.parametrize("text", WILD)
def test_what_people_write_is_read_as_the_game_reads_it_and_written_again_drives_the_same(text):
    file = parse(text)
    assert file.actions.tolist() == WILD[text]
    again = parse(file.text())
    assert torch.equal(again.actions, file.actions)


def test_keys_that_a_script_never_releases_stay_down_for_a_minute():
    file = parse("0 press up\n1.00 press left\n1.50 rel left")
    assert file.actions.tolist() == [GAS] * 100 + [LEFT] * 50 + [GAS] * 6000
    assert torch.equal(parse(file.text()).actions, file.actions)
    assert len(parse("3599900 press up").actions) == 360_000
    assert parse("# ticks: 7\n0.05 press up").actions.tolist() == [COAST] * 5 + [GAS] * 2


@pytest.mark.parametrize("name", ["race.inputs", "race.txt", "RACE.INPUTS"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_byte_order_mark_and_line_ends_of_any_system_are_read(tmp_path, name, ends):
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + ends.join(["# track: a01", "0-0.05 press up", ""]).encode())
    file = InputsFile.read(path)
    assert (file.track, file.actions.tolist()) == ("a01", [GAS] * 5)


def test_another_encoding_is_named(tmp_path):
    (tmp_path / "a.inputs").write_text("0-0.05 press up # газ", encoding="utf-16")
    with pytest.raises(UserError, match="no text in UTF-8 .*save it as UTF-8"):
        InputsFile.read(tmp_path / "a.inputs")


def test_a_file_as_long_as_allowed_is_read_in_seconds():
    began = time.process_time()
    file = parse("0 press up;" * (inputs_file.TEXT_BYTES // 11) + "1.00 rel up")
    assert file.actions.tolist() == [GAS] * 100
    assert time.process_time() - began < 30, "it takes two on an idle machine"


def test_the_largest_numbers_are_allowed():
    file = parse("# time_ms: 1000000000000\n3599.99-3600.00 press up\n")
    assert file.time_ms == 10**12 and len(file.actions) == 360_000
    assert parse("# time_ms: 360001\n0.00-0.10 press up\n").time_ms == 360_001


def test_minutes_may_have_two_digits():
    assert len(parse("10:00.00-10:00.10 press up\n").actions) == 60_010


def test_bad_files_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match="cannot read .*none.inputs"):
        InputsFile.read(tmp_path / "none.inputs")
    (tmp_path / "binary.inputs").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(UserError, match="binary.inputs is no text"):
        InputsFile.read(tmp_path / "binary.inputs")


def test_a_row_outside_the_table_cannot_be_written():
    with pytest.raises(UserError, match="got 36"):
        InputsFile("", 1, 0, torch.tensor([36]))
