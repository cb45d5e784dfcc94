"""What a run in the real game leaves: its best race as key presses."""

from __future__ import annotations

import json

import pytest
import torch

from btr_tm.race.inputs_file import InputsFile
from btr_tm.report.summary import InputsReport
from btr_tm.run.race import NO_RACE, Race
from btr_tm.sim.track.load import load_track


def test_the_fastest_race_is_written_for_the_game(tmp_path) -> None:
    (tmp_path / "record.jsonl").write_text(json.dumps({"frames": 1.0, "eval/finish_rate": 1.0}) + "\n")
    slow = Race(torch.tensor([0, 0, 0]), True, 150, 10.0, 5)
    fast = Race(torch.tensor([1, 3]), True, 90, 10.0, 7, exploring=True)
    made = InputsReport("a run", load_track("oval"), 5).make([slow, fast], tmp_path, print)
    assert made["best_race_s"] == pytest.approx(0.09) and made["inputs"] == "best/race.inputs"
    written = InputsFile.read(tmp_path / made["inputs"])
    assert (written.track, written.physics, written.time_ms) == ("oval", 0, 90)
    assert written.actions.tolist() == [1] * 5 + [3] * 5
    assert "inputs" not in InputsReport("a run", load_track("oval"), 5).make([NO_RACE], tmp_path, print)
