from __future__ import annotations

import pytest
import torch

from btr_tm.core.errors import UserError
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
        ("0.00-0.10 press up\nsteer 12\n", "got 'steer 12' .*line 2"),
        ("0.00-0.10 press jump\n", "line 1"),
        ("0-10 press up\n", "line 1"),
        ("0.105-0.20 press up\n", "line 1"),
        ("-0.10-0.20 press up\n", "line 1"),
        ("0.20-0.10 press up\n", "start before its end.*line 1"),
        ("0.20-0.20 press up\n", "start before its end.*line 1"),
        ("0.20-3600.01 press up\n", "within an hour.*line 1"),
        ("0.20-999999.00 press up\n", "within an hour.*line 1"),
        ("0.00-1.00 press left\n0.50-0.60 press right\n", "both held at 0.50 s .*line 2"),
        ("0.55-0.60 press left\n0.50-0.60 press right\n", "both held at 0.55 s .*line 2"),
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


def test_errors_name_the_file_and_quote_80_letters_of_the_line(tmp_path):
    path = tmp_path / "race.inputs"
    path.write_text("x" * 100)
    with pytest.raises(UserError) as raised:
        InputsFile.read(path)
    assert f"({path}, line 1)" in str(raised.value)
    assert "x" * 80 in str(raised.value) and "x" * 81 not in str(raised.value)
    with pytest.raises(UserError, match=r"\(inputs, line 1\)"):
        parse("nonsense")


def test_the_largest_numbers_are_allowed():
    file = parse("# time_ms: 1000000000000\n3599.99-3600.00 press up\n")
    assert file.time_ms == 10**12 and len(file.actions) == 360_000
    assert parse("# time_ms: 360001\n0.00-0.10 press up\n").time_ms == 360_001


def test_minutes_may_have_two_digits():
    assert len(parse("10:00.00-10:00.10 press up\n").actions) == 60_010


def test_bad_files_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match="cannot read an .inputs file"):
        InputsFile.read(tmp_path / "none.inputs")
    (tmp_path / "binary.inputs").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(UserError, match="cannot read an .inputs file"):
        InputsFile.read(tmp_path / "binary.inputs")


def test_a_row_outside_the_table_cannot_be_written():
    with pytest.raises(UserError, match="got 12"):
        InputsFile("", 1, 0, torch.tensor([12]))
