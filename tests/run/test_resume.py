"""The real simulator, networks and replay: stop and resume against the uninterrupted run, bit for bit."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from btr_tm.cli.assembly.assemble import build
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.interrupts import Interrupts
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.run.run import NoReport

SMALL = [
    "profile.threads=1",
    "profile.total_frames=768",
    "profile.eval_every=512",
    "profile.save_every=256",
    "profile.eval_starts=1",
]
TIMES = ("wall_s", "cpu_s", "speed/", "time/")
VARIANTS = {
    "all six": ["+experiment=quickstart", "eval=inline"],
    "plain": [
        "head=ln",
        "target=ddqn",
        "encoder=none",
        "replay=uniform",
        "horizon=discounted",
        "schedule=btr",
    ],
    "published replay": [
        "head=ln",
        "encoder=none",
        "replay=prioritized_linesight",
        "profile.replay_steps=[[0,200,128],[400,600,320]]",
        "credit=uses",
        "replay/split=contiguous",
        "replay/finish=dropped",
        "replay/gamma_at=insertion",
        "convention.cut_at_non_greedy=true",
    ],
    "rollouts": ["+experiment=ppo", "encoder=none", "eval=inline", "replay.steps=20"],
}


def make_run(folder, variant, *more):
    job = compose_job([*VARIANTS[variant], "profile=smoke", "logger=none", *SMALL, *more])
    run = build(dataclasses.replace(job, folder=folder))
    run.report = NoReport()  # pictures are not what is compared
    return run


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["redraw_both", pytest.param("share_with_acting", marks=pytest.mark.long)])
def test_evaluations_beside_training_change_nothing(tmp_path, noise):
    runs = []
    for how in ("inline", "beside"):
        job = compose_job(
            [
                "+experiment=quickstart",
                f"eval={how}",
                f"learner/noise={noise}",
                "profile=smoke",
                "logger=none",
                *SMALL,
            ]
        )
        runs.append(build(dataclasses.replace(job, folder=tmp_path / how)))
        runs[-1].report = NoReport()
        runs[-1].train()
    inline, beside = map(states, runs)
    assert rows(runs[0]) == rows(runs[1]) and inline.keys() == beside.keys()
    differ = [name for name, value in inline.items() if not same(value, beside[name])]
    assert [name for name in differ if "/noise_" not in name.replace(".", "/")] == []  # acting draws it anew


def leaves(value, name=""):
    """Every tensor and number of a nested state, by path."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in leaves(item, f"{name}/{key}").items()}
    if isinstance(value, list | tuple):
        return leaves(dict(enumerate(value)), name)
    return {name: value}


def states(run):
    parts = {name: part.state_dict() for name, part in run.checkpoint.parts.items() if name != "clock"}
    replay = run.replay
    held = (
        replay.ring.rows | replay.ring.state
        if hasattr(replay, "ring")
        else replay.save(run.folder / "compared")
    )
    return leaves(parts | {"replay": held})


def same(left, right):
    if isinstance(left, torch.Tensor):
        return torch.equal(left, right)
    return left == right or (left != left and right != right)  # NaN equals NaN here


def rows(run):
    return [{k: v for k, v in row.items() if not k.startswith(TIMES)} for row in read_record(run.record.path)]


def stop_at(run, frames):
    collect = run.collector.collect
    run.interrupts = Interrupts()  # not those of this process

    def watched(policy):
        if run.clock.frames + run.collector.env.num_envs >= frames:
            run.interrupts.ask()
        return collect(policy)

    run.collector.collect = watched


@pytest.mark.parametrize("variant", VARIANTS)
def test_stop_and_resume_equals_the_uninterrupted_run(tmp_path, variant):
    whole = make_run(tmp_path / "whole", variant)
    whole.train()
    first = make_run(tmp_path / "parts", variant)
    stop_at(first, 600)  # between two checkpoints, in the middle of races
    first.train()
    assert first.clock.frames == 600
    second = make_run(tmp_path / "parts", variant)
    second.train()
    expected, got = states(whole), states(second)
    assert expected.keys() == got.keys() and whole.clock.updates == second.clock.updates > 0
    different = [name for name, value in expected.items() if not same(value, got[name])]
    assert different == []
    assert rows(whole) == rows(second)
