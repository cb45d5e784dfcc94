"""What a user reads after a mistake: one line, what is valid, and the nearest guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ["encoder=impla"],
            r"unknown choice encoder=impla; did you mean 'impala'\? valid: cnn, cnn_gap, .*none",
        ),
        (
            ["+experiment=quick"],
            r"unknown choice experiment=quick; did you mean 'quickstart'\? valid: a01_best",
        ),
        (
            ["logger=[wandb,tensorbord]"],
            r"logger=tensorbord; did you mean 'tensorboard'\? valid: none, tensorboard, wandb",
        ),
        (["learner/target_sync=softt"], r"unknown choice .*=softt; did you mean 'soft'\? valid: hard, soft"),
        (["convention.max_over=men"], "convention.max_over must be mean or quantile, got 'men'"),
        (
            ["learner.target_sync.taux=1"],
            r"'learner\.target_sync\.taux'; did you mean 'tau'\? valid: buffers",
        ),
        (["learner/target_sync=hard", "learner.target_sync.tau=1"], "learner/target_sync=soft has it"),
        (["learner/target_sync=hard", "learner.target_sync.tauu=1"], "valid: buffers, every_updates"),
        (
            ["value.bins.count=1"],
            "unknown key 'value.bins.count' here; value=hl_gauss has it, so choose that",
        ),
        (["name=../elsewhere"], "name is the folder of the runs within runs_dir, got '../elsewhere'"),
        (["name="], "name is the folder of the runs within runs_dir, got ''"),
        (["encoder.pixels.scale=1"], "set pixels.scale=... instead"),
        (["track=line"], r"track\.name_or_path has no value; type track\.name_or_path="),
        (["+ablation=no_nois"], "unknown choice ablation=no_nois; did you mean 'no_noisy'"),
        (["enc=cnn"], r"unknown .*'enc'; did you mean 'env'\?"),
        (["encoder/bdy=impala"], r"unknown .*'encoder/bdy'; did you mean 'encoder/body'\?"),
        (["profile.cas=3"], r"unknown key 'profile\.cas'; did you mean 'cars'\? valid: batch_size"),
        (["+profile.cas=3"], r"unknown key 'profile\.cas'; did you mean 'cars'\?"),
        (["+foo=3"], "unknown key 'foo'; valid: activation, collector"),
        (["target.alpha=3"], r"unknown key 'target\.alpha'"),
        (
            ["encoder=none", "encoder/body=impala"],
            "^encoder/body=impala: encoder=none has no such part; leave it out, or choose another encoder$",
        ),
        (["experiment=quickstart"], r"type \+experiment="),
        (["+encoder=cnn"], r"without the \+"),
        (["seed=0,1"], "add -m to sweep over both"),
        (["a b"], "write key=value"),
        (["profile=[a"], "write key=value"),
        (["seed=${nothing}"], "nothing"),
        (["~target"], "target is missing; choose or set it"),
        (["target=null"], "override"),
        (["env.gates=checkpoints"], "env.gates is a choice of the group gates; type gates=checkpoints"),
        (
            ["learner.target_sync=soft"],
            "a choice of the group learner/target_sync; type learner/target_sync=soft",
        ),
        (["head.linear=noisy"], "head.linear is a choice of the group head/linear; type head/linear=noisy"),
        (["seed=zero"], "seed must be a whole number, got 'zero'"),
        (["profile.cars=2.5"], "profile.cars must be a whole number, got 2.5"),
        (["profile.precision=fp8"], "profile.precision must be auto or fp32 or bf16 or fp16"),
        (["on_existing=ask"], "on_existing must be resume or overwrite"),
        (["profile=3"], "override must be a string"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(overrides: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        compose_job(overrides)
    assert "\n" not in str(caught.value)
    assert "HYDRA" not in str(caught.value)


def experiment(folder: Path, text: str) -> list[str]:
    (folder / "experiment").mkdir()
    (folder / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}")
    return ["+experiment=mine"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("profile:\n  cas: 3\n", r"unknown key 'profile\.cas'; did you mean 'cars'\?"),
        ("convention:\n  kapa: 1\n", r"unknown key 'convention\.kapa'; did you mean 'kappa'\?"),
        ("targt:\n  alpha: 1\n", r"unknown key 'targt'; did you mean 'target'\?"),
        ("schedule:\n  sped: 1\n", r"unknown key 'schedule\.sped'; did you mean 'speed'\?"),
        ("defaults:\n  - override /encodr: cnn\n", "encodr"),
        ("defaults:\n  - override /encoder: cn\n", r"unknown choice encoder=cn; did you mean 'cnn'\?"),
        ("profile: [\n", "."),
    ],
)
def test_a_typo_inside_an_experiment_is_found(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        compose_job(experiment(tmp_path, text), str(tmp_path))
    assert "\n" not in str(caught.value)


def test_whole_floats_are_integers() -> None:
    from btr_tm.cli.configuration.validate import structure

    values = structure(compose_job(["profile.total_frames=1e6"]).values)
    assert values["profile"]["total_frames"] == 1_000_000
    assert isinstance(values["profile"]["total_frames"], int)


def test_values_are_no_choice() -> None:
    sentence = r"exploration takes the name of a choice, got \{epsilon:0.1\}; set .* exploration.NAME=VALUE"
    with pytest.raises(UserError, match=sentence):
        compose_job(["exploration={epsilon:0.1}"])


def test_a_list_of_choices_is_no_sweep() -> None:
    with pytest.raises(UserError, match=r"target takes one choice.* add -m and write target=ddqn,munchausen"):
        compose_job(["target=[ddqn,munchausen]"])
    with pytest.raises(UserError, match="logger=none goes with no other"):
        compose_job(["logger=[none,wandb]"])
    compose_job(["logger=[wandb,tensorboard]", "+ablation=[no_noisy,no_impala]"])
