"""PPO in whole runs: it solves a task, and it learns from pictures through one image encoder or two."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from btr_tm.cli.assembly.assemble import build
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.metrics.sinks.jsonl import read_record

PICTURES = ["+experiment=ppo", "encoder=cnn_pool", "profile=smoke", "profile.cars=4", "profile.start_pool=4"]
PICTURES += ["profile.eval_starts=0", "logger=none", "eval=inline", "replay.steps=16"]


@pytest.mark.long
def test_ppo_balances_the_pole(tmp_path: Path) -> None:
    job = ["+experiment=ppo_cart_pole", "logger=none", f"runs_dir={tmp_path.as_posix()}"]
    run = build(compose_job(job))
    run.train()
    returns = [row["eval/return_mean"] for row in read_record(run.record.path) if "eval/return_mean" in row]
    assert returns[-1] >= 475  # of 500; the environment counts as solved there


@pytest.mark.slow
@pytest.mark.parametrize(("shared", "obs"), [("true", "camera"), ("false", "full")])
def test_every_image_encoder_learns_from_pictures(shared: str, obs: str, tmp_path: Path) -> None:
    words = [*PICTURES, f"net.shared={shared}", f"obs={obs}", f"runs_dir={tmp_path.as_posix()}"]
    run = build(compose_job(words))
    before = {name: weight.detach().clone() for name, weight in run.learner.online.named_parameters()}
    seen = {name for name in before if "encoder" in name}
    assert seen
    for _ in range(2):
        for _ in range(16):
            for transition in run.collector.collect(run.learner.policy).transitions:
                run.replay.add(transition)
        update = run.learner.update(run.replay.sample(0))
        assert all(torch.isfinite(value).all() for value in update.metrics.values())
    after = dict(run.learner.online.named_parameters())
    assert [name for name in seen if torch.equal(before[name], after[name])] == []
    run.close()
