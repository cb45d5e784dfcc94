"""`python -m btr_tm.inputs`: converts, and drives both forms."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from btr_tm.cli.commands import inputs
from btr_tm.race.inputs_file import InputsFile, parse

SHORT = "- start\n- finish\n- straight: {length: 4}\n"


@pytest.fixture
def race(tmp_path):
    """On a short road, with a byte order mark, and times in milliseconds."""
    (tmp_path / "short.yaml").write_text(SHORT)
    path = tmp_path / "race.txt"
    path.write_bytes(b"\xef\xbb\xbf# track: short\r\n0-6000 press up; 500-600 press left # a little\r\n")
    return path


def test_both_forms_are_driven_and_end_in_the_same_millisecond(race, tmp_path, capsys):
    out = tmp_path / "out.inputs"
    inputs.main([str(race), "--as", "events", "--out", str(out)])
    assert re.search(r"out.inputs: finished in \d.* on short in both forms", capsys.readouterr().err)
    assert torch.equal(InputsFile.read(out).actions, InputsFile.read(race).actions)


@pytest.mark.parametrize("form", inputs.FORMS)
def test_each_form_can_be_written_and_read_again(form, tmp_path, capsys):
    (tmp_path / "a.inputs").write_text("0-0.60 press up\n0.50-0.60 press left # a little")
    inputs.main([str(tmp_path / "a.inputs"), "--as", form])
    assert parse(capsys.readouterr().out).actions.tolist() == [0] * 50 + [1] * 10


def test_a_file_that_tells_of_another_race_is_said(race, capsys):
    race.write_bytes(race.read_bytes() + b"# physics: 7\n# time_ms: 1230\n")
    inputs.main([str(race)])
    assert (
        "in both forms; the file says 1.23 s, so it was recorded with another car" in capsys.readouterr().err
    )


def test_a_track_that_is_named_stands_in_what_is_written(race, tmp_path):
    np.save(tmp_path / "line.npy", np.stack((np.zeros(200), np.zeros(200), 0.5 * np.arange(200)), axis=1))
    race.write_text("0-0.05 press up")
    inputs.main([str(race), "--track", str(tmp_path / "line.npy"), "--out", str(tmp_path / "out.inputs")])
    file = InputsFile.read(tmp_path / "out.inputs")
    assert (file.track, file.half_width_m, file.actions.tolist()) == ("line", 12.0, [0] * 5)


def test_without_a_track_it_is_converted_and_not_driven(tmp_path, capsys):
    (tmp_path / "a.inputs").write_text("0.00-0.03 press up")
    inputs.main([str(tmp_path / "a.inputs"), "--as", "keys", "--ticks", "1"])
    shown = capsys.readouterr()
    assert shown.out.endswith("time_ms,action,keys\n0,0,up\n10,0,up\n20,0,up\n")
    assert "not driven, since " in shown.err and "a.inputs does not say its track; add --track" in shown.err
    (tmp_path / "a.inputs").write_text("# track: elsewhere\n0.00-0.03 press up")
    inputs.main([str(tmp_path / "a.inputs")])
    assert "the track elsewhere, which neither ships nor lies beside it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "arguments", "sentence"),
    [
        (
            "0 press up\n0.5 steer 3000",
            [],
            "nothing between, so steer must be a multiple of 16384 from -65536 to 65536, got 3000 .*line 2",
        ),
        ("0-0.03 press up\n0.5 press up", ["--as", "keys"], "a key changes soon after 0.00 s.*--ticks 1 of"),
        ("0 press up", ["--as", "keys", "--ticks", "100000000000"], "--ticks must be at most 360,000, got"),
        ("0 press up", ["--out", "nowhere/x.inputs"], "the folder nowhere does not exist"),
        ("0 press up", ["--track", "nowhere"], "there is no track nowhere"),
    ],
)
def test_what_cannot_be_is_one_sentence(text, arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.inputs").write_text(text)
    with pytest.raises(SystemExit, match=sentence):
        inputs.main(["a.inputs", *arguments])
