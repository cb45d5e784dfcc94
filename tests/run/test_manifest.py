"""The guard of the run folder."""

from __future__ import annotations

import json

import pytest

import btr_tm
from btr_tm.core.errors import UserError
from btr_tm.run import manifest
from btr_tm.run.manifest import Manifest, differences

CONFIG = {
    "seed": 0,
    "target": {"alpha": 0.9},
    "profile": {"total_frames": 100, "batch_size": 32},
    "logger": [],
}


def claim(folder, config, overrides=(), on_existing="resume") -> Manifest:
    return manifest.claim(folder, config, overrides, config["seed"], on_existing)


def test_manifest_says_what_the_run_was_made_of(tmp_path):
    made = claim(tmp_path / "run", CONFIG, ["seed=0"])
    held = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert held["config"] == CONFIG and held["run_id"] == made.run_id and not made.resumed
    assert held["packages"]["torch"] and held["hardware"]["cpus"] and held["hardware"]["cpu"]
    assert held["packages"]["btr_tm"] == btr_tm.__version__
    assert held["sessions"][0]["overrides"] == ["seed=0"]


def test_same_configuration_continues_under_the_same_id(tmp_path):
    first = claim(tmp_path, CONFIG)
    second = claim(tmp_path, json.loads(json.dumps(CONFIG)))
    assert second.resumed and second.run_id == first.run_id


def test_budget_cadence_and_logger_may_change(tmp_path):
    claim(tmp_path, CONFIG)
    changed = CONFIG | {"logger": [{"project": "x"}], "profile": {"total_frames": 500, "batch_size": 32}}
    assert claim(tmp_path, changed).config["profile"]["total_frames"] == 500


def test_where_collectors_drive_may_change_but_not_how_many_they_are(tmp_path):
    collector = {"num_workers": 2, "address": "local", "resources": {"CPU": 1}, "stall_s": 60.0}
    claim(tmp_path, CONFIG | {"collector": collector})
    elsewhere = collector | {"address": "auto", "resources": {"CPU": 1, "game": 1}, "stall_s": 9.0}
    claim(tmp_path, CONFIG | {"collector": elsewhere})
    with pytest.raises(UserError, match="collector.num_workers: 2 -> 3"):
        claim(tmp_path, CONFIG | {"collector": elsewhere | {"num_workers": 3}})


def test_other_configuration_is_refused_with_every_difference(tmp_path):
    claim(tmp_path, CONFIG)
    changed = CONFIG | {"target": {"alpha": 0.5, "tau": 1}, "seed": 1}
    with pytest.raises(UserError) as caught:
        claim(tmp_path, changed)
    for part in ("seed: 0 -> 1", "target.alpha: 0.9 -> 0.5", "target.tau: absent -> 1"):
        assert part in str(caught.value)


def test_overwrite_starts_anew(tmp_path):
    first = claim(tmp_path, CONFIG)
    (tmp_path / "record.jsonl").write_text("{}\n")
    second = claim(tmp_path, CONFIG | {"seed": 1}, on_existing="overwrite")
    assert second.run_id != first.run_id and not (tmp_path / "record.jsonl").exists()


def test_tuples_and_lists_are_the_same_configuration():
    assert differences({"points": [[0, 1]]}, {"points": ((0, 1),)}) == []
