"""policy=ema from the command line: what is evaluated, saved, exported and continued is the average."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from btr_tm.cli.assembly.assemble import build
from btr_tm.cli.assembly.driver import export, load_driver
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.run.run import NoReport, Run

TINY = ("profile=smoke", "logger=none", "encoder=none", "head=noisy", "profile.race_ms=1000",
        "profile.warmup_frames=64", "profile.frames_per_update=16", "profile.save_every=0",
        "profile.probe_every=0", "profile.start_pool=8", "profile.eval_starts=1",
        "schedule.learning_rate=0.01", "policy=ema", "policy.share=0.1")  # fmt: skip


def trained(folder: Path, frames: int, *overrides: str) -> Run:
    sizes = (f"profile.total_frames={frames}", "profile.eval_every=0")
    run = build(compose_job([*TINY, *sizes, *overrides, f"runs_dir={folder.as_posix()}"]))
    run.report = NoReport()
    run.train()
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("whole"), 256)


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


def test_run_folder_and_policy_file_hold_the_average(whole: Run, tmp_path: Path) -> None:
    average = whole.learner.driver.net
    assert not equal(average, whole.learner.policy.net)
    driver = load_driver(str(whole.folder), "cpu")
    assert equal(driver.policy.net, average)
    export(driver, tmp_path / "driver.safetensors")
    assert equal(load_driver(str(tmp_path / "driver.safetensors"), "cpu").policy.net, average)


def test_the_evaluation_drives_with_the_average(whole: Run) -> None:
    driver = load_driver(str(whole.folder), "cpu")
    again = driver.parts.races(1).drive(driver.policy, whole.clock.frames)
    assert whole.evaluator.summarise(again)["q_mean"] == whole.evaluator.latest["q_mean"]


def test_a_continued_run_continues_the_average_to_the_bit(whole: Run, tmp_path: Path) -> None:
    trained(tmp_path, 128)
    continued = trained(tmp_path, 256)
    assert continued.clock.updates == whole.clock.updates
    assert equal(continued.learner.driver.net, whole.learner.driver.net)


def test_a_process_beside_training_evaluates_the_average_too(whole: Run, tmp_path: Path) -> None:
    run = trained(tmp_path, 256, "eval=beside")
    pairs = zip(*(each.learner.driver.net.parameters() for each in (run, whole)), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
    for name, value in whole.evaluator.latest.items():
        assert run.evaluator.latest[name] == pytest.approx(value, rel=0, abs=0, nan_ok=True), name
