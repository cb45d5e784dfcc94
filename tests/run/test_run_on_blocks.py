"""Whole runs whose decisions are blocks of five actions: training, resuming, `.inputs` files, drivers."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from btr_tm.cli.assembly.assemble import build
from btr_tm.cli.assembly.driver import export, load_driver
from btr_tm.cli.commands.film import film_driver
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.race.inputs_file import InputsFile
from btr_tm.report.redrive import redrive
from btr_tm.sim.track.load import load_track

from .test_resume import SMALL, same, states, stop_at

BLOCKS = ["env.action_offsets_ms=[0,10,20,30,40]", "obs.previous_actions=25", "track=oval"]
ARMS = {
    "noise and Munchausen": [
        "+experiment=quickstart",
        "eval=inline",
        "encoder=none",
        "convention.exploration_draw=per_block",
        "convention.munchausen_nstep=all",
    ],
    "base": ["encoder=none"],  # DDQN, epsilon for each action, the clipped horizon
}


def make_run(folder, arm: str):
    job = compose_job([*ARMS[arm], "profile=smoke", "logger=none", *SMALL, *BLOCKS])
    return build(dataclasses.replace(job, folder=folder))


@pytest.fixture
def films(monkeypatch):
    """Arguments of the film maker, which has its own tests and takes seconds."""
    calls = []
    for where in ("btr_tm.report.film.film", "btr_tm.cli.commands.film.film"):
        monkeypatch.setattr(where, lambda path, scenes, *_: calls.append(scenes[0].racers[0]) or path)
    return calls


@pytest.mark.slow
@pytest.mark.parametrize("arm", ARMS)
def test_a_run_on_blocks_trains_resumes_and_leaves_inputs_that_drive_again(tmp_path, arm, films) -> None:
    whole = make_run(tmp_path / "whole", arm)
    whole.train()
    assert whole.clock.updates > 0 and whole.replay.ring.rows["action"].shape[1:] == (5,)
    rows = read_record(whole.record.path)
    assert any("learner/q_mean" in row for row in rows) and any("eval/progress_mean" in row for row in rows)
    best = whole.evaluator.best
    assert best.actions.shape[1:] == (5,) and best.q.shape[1:] == (5, 12)

    file = InputsFile.read(tmp_path / "whole" / "best" / "race.inputs")
    again = redrive(load_track("oval"), file.actions)
    assert torch.equal(file.actions, best.actions.flatten()[: len(file.actions)])
    assert (again.time_ms, again.finished) == (best.time_ms, best.finished)

    first = make_run(tmp_path / "parts", arm)
    stop_at(first, 600)
    first.train()
    second = make_run(tmp_path / "parts", arm)
    second.train()
    expected, got = states(whole), states(second)
    assert expected.keys() == got.keys() and whole.clock.updates == second.clock.updates
    assert [name for name, value in expected.items() if not same(value, got[name])] == []


@pytest.mark.slow
def test_a_driver_of_blocks_comes_back_from_its_run_and_from_one_file(tmp_path, films) -> None:
    run = make_run(tmp_path / "run", "base")
    run.train()
    driver = load_driver(str(tmp_path / "run"), "cpu")
    export(driver, tmp_path / "driver.safetensors")
    races = []
    for again in (driver, load_driver(str(tmp_path / "driver.safetensors"), "cpu")):
        driven = again.parts.races(0)
        races.append(driven.drive(again.policy, 0).canonical)
        driven.close()
    one, other = races
    assert torch.equal(one.actions, other.actions) and one.time_ms == other.time_ms
    films.clear()
    film_driver(driver, one, tmp_path / "race.mp4")
    q, pressed = films[0].q, films[0].race.actions
    at = slice(0, len(pressed))
    torch.testing.assert_close(
        q[at], one.q.flatten(0, 1)[at], atol=1e-5, rtol=1e-4
    )  # batches of other sizes round
    assert torch.equal(pressed, one.actions.flatten()[at])
