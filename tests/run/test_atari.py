"""`+experiment=atari_btr`: what it is made of, and a run of it, stopped and resumed."""

from __future__ import annotations

import copy

import pytest
import torch

from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.run.collector import InlineCollector

from .test_resume import VARIANTS, make_run, rows, same, states, stop_at

ATARI = ["+experiment=atari_btr"]


def test_it_has_the_published_numbers() -> None:
    """BTR, tables D4 and D6; frames of four emulator frames each."""
    values = checked(compose_job(ATARI).values)
    profile = values["profile"]
    assert 4 * profile["total_frames"] == 200_000_000 and 4 * profile["eval_every"] == 1_000_000
    assert profile["replay_capacity"] == 2**20 and profile["warmup_frames"] == 200_000
    assert (profile["cars"], profile["batch_size"], profile["frames_per_update"]) == (64, 256, 64)
    assert 1 + profile["eval_starts"] == 100 and values["env"]["max_frames"] == 108_000
    assert (values["env"]["sticky"], values["env"]["reward_clip"]) == (0.25, 1.0)
    assert values["optimizer"]["eps"] == 0.005 / 256 and values["convention"]["target_hard_every"] == 500
    assert values["schedule"]["epsilon"]["stop_frames"] * 4 == 100_000_000


@pytest.mark.parametrize("action_set, parameters", [("full", 5_278_918), ("minimal", 5_268_658)])
def test_its_network_has_the_size_of_the_paper(action_set: str, parameters: int) -> None:
    """With all 18 actions the paper's 2.91 million, which leave out the noise of 2.37 million weights."""
    pytest.importorskip("ale_py")
    parts = Parts(checked(compose_job([*ATARI, f"env.action_set={action_set}"]).values), torch.device("cpu"))
    net = parts.net(parts.env(1))
    assert sum(weights.numel() for weights in net.parameters()) == parameters


@pytest.mark.parametrize("frames", [1, 3])
def test_its_replay_keeps_single_frames_and_gives_the_stacks_that_were_seen(frames: int) -> None:
    """Around the ring and through truncated games, beside whole stacks."""
    pytest.importorskip("ale_py")
    small = ["profile=smoke", "profile.cars=2", "profile.replay_capacity=24", "replay=uniform"]
    small += ["env.max_frames=28", f"env.frame_stack={frames}", "profile.warmup_frames=8"]
    parts = Parts(checked(compose_job([*ATARI, *small]).values), torch.device("cpu"))
    env = parts.env(2)
    plain = copy.copy(env)
    plain.stacked_frames = 1
    planes, whole = parts.replay(env), parts.replay(plain)
    assert planes.ring.rows["image"].shape[1] == 40 * 40 == whole.ring.rows["image"].shape[1] / frames
    collector, policy = InlineCollector(env, 1), parts.policy(env)
    for _ in range(60):
        (transition,) = collector.collect(policy).transitions
        planes.add(transition)
        whole.add(transition)
        one, other = planes.sample(16), whole.sample(16)
        for seen, held in ((one.obs, other.obs), (one.next_obs, other.next_obs)):
            assert torch.equal(seen.image, held.image)


@pytest.mark.slow
def test_a_run_learns_from_clipped_rewards_logs_scores_and_resumes(tmp_path, monkeypatch) -> None:
    pytest.importorskip("ale_py")
    monkeypatch.setitem(VARIANTS, "atari", ATARI)
    short = ("env.max_frames=200", "env.reseed_every=60")
    whole = make_run(tmp_path / "whole", "atari", *short)
    whole.train()
    stored = whole.replay.ring.rows["reward"]
    assert whole.clock.updates > 0 and set(stored.unique().tolist()) == {0.0, 1.0}
    scores = [row["eval/return_mean"] for row in read_record(whole.record.path) if "eval/return_mean" in row]
    assert scores and max(scores) >= 20  # the least that a bird is worth

    halted = make_run(tmp_path / "halted", "atari", *short)
    stop_at(halted, 300)
    halted.train()
    resumed = make_run(tmp_path / "halted", "atari", *short)
    resumed.train()
    assert rows(whole) == rows(resumed)
    left, right = states(whole), states(resumed)
    assert left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
