"""Networks in which picture and floats meet early: in runs, exported, and where they are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from btr_tm.cli.assembly.assemble import build
from btr_tm.cli.assembly.driver import export, load_driver
from btr_tm.cli.assembly.parts import checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError

SMALL = ["profile=smoke", "profile.cars=4", "profile.start_pool=4", "profile.eval_starts=0", "logger=none"]
SMALL += ["eval=inline", "profile.compile=auto"]  # recorded and replayed on a CPU


@pytest.mark.parametrize(
    "words",
    [
        ["+experiment=quickstart", "fusion=film"],
        ["+experiment=quickstart", "fusion=transformer", "net=shared"],
        ["+experiment=ppo", "fusion=transformer"],
    ],
)
def test_a_run_drives_learns_and_is_exported(words: list[str], tmp_path: Path) -> None:
    run = build(compose_job([*words, *SMALL, f"runs_dir={tmp_path.as_posix()}"]))
    for _ in range(64):
        for transition in run.collector.collect(run.learner.policy).transitions:
            run.replay.add(transition)
    for _ in range(1 if "+experiment=ppo" in words else 3):
        update = run.learner.update(run.replay.sample(16))
    assert torch.isfinite(update.metrics["loss"]) and float(update.metrics["grad_norm"]) > 0
    run.checkpoint.prepare()
    assert run.checkpoint.save()
    export(load_driver(run.folder.as_posix(), "cpu"), tmp_path / "driver.safetensors")
    driver = load_driver((tmp_path / "driver.safetensors").as_posix(), "cpu")
    obs = run.collector._obs
    wanted = run.learner.policy.act(obs, explore=False).q
    torch.testing.assert_close(driver.policy.act(obs, explore=False).q, wanted)
    run.close()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fusion=film", "encoder=none"], "one of them is missing; choose fusion=concat"),
        (["+experiment=atari_btr", "fusion=transformer"], "one of them is missing; choose fusion=concat"),
        (["+experiment=pretrain", "fusion=film"], "sees no floats that a picture could meet"),
    ],
)
def test_fusion_of_nothing_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        checked(compose_job([*words, "logger=none"]).values)
