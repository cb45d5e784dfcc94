"""Runs that begin with the weights of another run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from btr_tm.cli.assembly.assemble import build
from btr_tm.cli.assembly.driver import export, load_driver, shipped
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError
from btr_tm.run.run import Run

BTR = ["profile=smoke", "encoder=impala_sn_pool", "head=noisy_ln", "logger=none", "profile.eval_starts=0"]
BTR += ["profile.cars=2", "profile.start_pool=2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with one checkpoint."""
    run = begun(tmp_path_factory.mktemp("trained"), "policy=ema", "seed=3")
    run.clock.frames = 512
    save(run)
    return run.folder


def begun(folder: Path, *words: str) -> Run:
    return build(compose_job([*BTR, f"runs_dir={folder.as_posix()}", *words]))


def init_from(source: Path) -> str:
    return f"init_from='{source.as_posix()}'"  # the name of a run folder holds = and commas


def save(run: Run) -> None:
    run.checkpoint.prepare()
    assert run.checkpoint.save()
    run.close()


def sessions(run: Run) -> list[dict]:
    return json.loads((run.folder / "manifest.json").read_text())["sessions"]


def moments(learner) -> list[torch.Tensor]:
    return [part for held in learner.step.optimizer.state.values() for part in held.values()]


def state(net: torch.nn.Module, prefix: str = "") -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items() if name.startswith(prefix)}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", ["run", "checkpoint", "exported"])
def test_all_networks_begin_with_the_driver_of_another_run(trained: Path, tmp_path: Path, kind: str) -> None:
    driver = load_driver(str(trained), "cpu")
    export(driver, tmp_path / "driver.safetensors")
    checkpoint = sorted((trained / "checkpoints").glob("*.pt"))[-1]
    source = {"run": trained, "checkpoint": checkpoint, "exported": tmp_path / "driver.safetensors"}[kind]
    run = begun(tmp_path, init_from(source), "policy=ema", "seed=5", "target=munchausen")
    wanted = state(driver.policy.net)
    learner = run.learner
    for net in (learner.online, learner.target_net, learner.driver.net):
        assert equal(state(net), wanted)
    assert run.clock.frames == 0 and not any(part.any() for part in moments(learner))
    noted = sessions(run)[0]["weights"]
    assert noted["source"] == str(source.resolve()) and noted["part"] == "whole" and noted["frames"] == 512
    run.close()


def test_the_encoder_alone_goes_into_another_network(trained: Path, tmp_path: Path) -> None:
    words = ["head=plain", "profile.head_hidden=32"]
    run = begun(tmp_path / "a", init_from(trained), "init_part=encoder", *words)
    fresh = begun(tmp_path / "b", *words)
    found = state(run.learner.online, "encoder.")
    assert equal(found, state(load_driver(str(trained), "cpu").policy.net, "encoder."))
    assert equal(state(run.learner.online, "head."), state(fresh.learner.online, "head."))
    for each in (run, fresh):
        each.close()


def test_a_run_that_goes_on_reads_its_checkpoint_and_not_the_source(trained: Path, tmp_path: Path) -> None:
    driver = load_driver(str(trained), "cpu")
    export(driver, source := tmp_path / "driver.safetensors")
    word = init_from(source)
    first = begun(tmp_path, word)
    with torch.no_grad():
        next(first.learner.online.parameters()).add_(1.0)
    learnt = state(first.learner.online)
    save(first)
    source.unlink()
    again = begun(tmp_path, word)
    again.checkpoint.load_newest()
    assert equal(state(again.learner.online), learnt)
    assert ["weights" in session for session in sessions(again)] == [True, False]
    again.close()


def test_a_run_that_was_killed_before_its_first_checkpoint_reads_the_source_again(
    trained: Path, tmp_path: Path
) -> None:
    word = init_from(trained)
    begun(tmp_path, word).close()
    again = begun(tmp_path, word)
    assert equal(state(again.learner.online), state(load_driver(str(trained), "cpu").policy.net))
    again.close()


def test_weights_that_do_not_fit_are_refused_with_what_differs(trained: Path, tmp_path: Path) -> None:
    word = init_from(trained)
    for words, sentence in (
        (
            ["profile.head_hidden=32"],
            r"does not fit this run, for the weights of head differ \(head.hidden is 16 there and 32 here\); "
            "choose the same as there, or take the encoder alone with init_part=encoder",
        ),
        (["pixels=unit"], "encoder.pixels._target_ is Centred there and Unit here"),
        (["init_part=encoder", "encoder=none"], "the encoder of .* does not fit this run"),
        (["encoder=cnn", "head=plain"], "of encoder, float_head, head differ .*; choose the same as there$"),
    ):
        with pytest.raises(UserError, match=sentence):
            begun(tmp_path, word, *words)
    with pytest.raises(UserError, match="nowhere does not exist; name a run folder"):
        begun(tmp_path, "init_from=nowhere")
    with pytest.raises(UserError, match="init_part=encoder says what to take from init_from"):
        begun(tmp_path, "init_part=encoder")
    with pytest.raises(UserError, match="init_part must be whole or encoder"):
        begun(tmp_path, word, "init_part=half")


def test_workers_in_processes_drive_with_the_weights_that_a_run_begins_with(
    trained: Path, tmp_path: Path
) -> None:
    run = begun(tmp_path, init_from(trained), "collector=processes", "collector.workers=1")
    try:
        published = []
        run.collector.weights.publish = lambda vector, version: published.append(vector.clone())
        run.collector._publish(run.learner.policy)
        own = torch.cat([part.flatten().float() for part in run.learner.online.parameters()])
        assert torch.equal(published[0][: len(own)].float(), own)
    finally:
        run.close()


def test_todays_runs_begin_with_the_driver_that_ships_though_it_is_older(tmp_path: Path) -> None:
    small = ["logger=none", "profile.cars=2", "profile.start_pool=2", "profile.eval_starts=0"]
    words = ["+experiment=a01_best", *small, f"runs_dir={tmp_path.as_posix()}", init_from(shipped())]
    run = build(compose_job(words))
    assert sessions(run)[-1]["weights"]["part"] == "whole"
    run.close()
