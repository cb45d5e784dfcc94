"""Keys and types against signatures, foreign classes, and choices that exclude each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from btr_tm.cli.assembly.build import make
from btr_tm.cli.assembly.parts import checked, device_of
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.cli.configuration.validate import signatures, structure
from btr_tm.core.errors import UserError


def check(*overrides: str, config_dir: Path | None = None) -> dict:
    return checked(compose_job(list(overrides), str(config_dir) if config_dir else None).values)


def write_experiment(folder: Path, text: str) -> None:
    (folder / "experiment").mkdir()
    (folder / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("target:\n  alhpa: 1\n", r"unknown key 'target\.alhpa' of DoubleDqn; valid: none"),
        ("encoder:\n  boddy: 1\n", r"unknown key 'encoder\.boddy' of Encoder; did you mean 'body'\?"),
        (
            "env:\n  cut_offs:\n    race_s: 3\n",
            r"'env\.cut_offs\.race_s' of CutOffs; did you mean 'race_ms'\?",
        ),
        ("optimizer:\n  beta: 3\n", r"unknown key 'optimizer\.beta' of RAdam; did you mean 'betas'\?"),
        ("logger:\n  wandb:\n    projekt: x\n", r"did you mean 'project'\?"),
        (
            "env:\n  ticks_per_action: many\n",
            r"expected a whole number for 'env\.ticks_per_action', got 'many'",
        ),
        ("logger:\n  wandbb:\n    project: x\n", r"unknown key 'logger\.wandbb'; did you mean 'wandb'\?"),
        ("env:\n  compile: fast\n", "expected eager or traced or compiled for 'env.compile', got 'fast'"),
        ("head:\n  linear:\n    _target_: os.system\n", "expected a _target_ within btr_tm. or torch.optim."),
        ("target:\n  _target_: btr_tm.targets.greedy.Mx\n", r"cannot load 'btr_tm\.targets\.greedy\.Mx'"),
    ],
)
def test_a_typo_inside_an_experiment_is_found(tmp_path: Path, text: str, sentence: str) -> None:
    write_experiment(tmp_path, text)
    with pytest.raises(UserError, match=sentence) as caught:
        check("+experiment=mine", config_dir=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["exploration=noisy"], "choose head=noisy or noisy_ln"),
        (["head=noisy", "exploration=epsilon_boltzmann"], "choose exploration=auto"),
        (["env=gymnasium", "encoder=none"], "horizon=mini_race needs the clock"),
        (["horizon=discounted"], "schedule.gamma reaches 1"),
        (["env=gymnasium", "horizon=discounted", "schedule=btr"], "choose encoder=none"),
        (
            ["env=gymnasium", "env.image=pixels", "encoder=none", "horizon=discounted", "schedule=btr"],
            "choose an encoder",
        ),
        (
            ["env=gymnasium", "encoder=none", "horizon=discounted", "schedule=btr", "obs=camera"],
            "belongs to env=sim",
        ),
        (["profile.micro_batch=100"], "expected profile.micro_batch to divide profile.batch_size"),
        (["profile.warmup_frames=1000000"], "within profile.replay_capacity"),
        (["profile.cars=0"], "expected a positive profile.cars"),
        (["profile.micro_batch=0"], "expected a positive profile.micro_batch, got 0; raise it"),
        (["profile.taus_act=0"], "expected a positive profile.taus_act"),
        (["profile.eval_starts=-1"], "expected no negative profile.eval_starts"),
        (["convention.n_step=0"], "expected a positive convention.n_step"),
        (["seed=-1"], "expected no negative seed"),
        (["convention.kappa=0"], "expected a positive convention.kappa, got 0"),
        (["convention.clip_norm=-1"], "expected a positive convention.clip_norm, got -1"),
        (["convention.munchausen_entropy_tau=0"], "expected a positive convention.munchausen_entropy_tau"),
        (["convention.weight_decay_ratio=-0.1"], "expected no negative convention.weight_decay_ratio"),
        (["convention.first_cosine=-1"], "expected no negative convention.first_cosine"),
        (["convention.priority_alpha=-1"], "expected no negative convention.priority_alpha"),
        (["schedule.gamma.points=[[0,2.0]]"], "from 0 to 1 in schedule.gamma, got 2.0"),
        (["schedule=btr", "schedule.learning_rate.value=-1"], "from 0 to inf in schedule.learning_rate"),
        (["schedule=btr", "schedule.epsilon.start=3"], "from 0 to 1 in schedule.epsilon, got 3"),
        (["env.ticks_per_action=0"], "expected a positive env.ticks_per_action, got 0"),
        (["schedule.learning_rate.points=[[0,fast]]"], r"learning_rate: expected schedule points like"),
        (["profile.memory=[[0,many,10]]"], r"schedule\.memory: expected memory steps like"),
        (["env.action_offsets_ms=[0,10,30]"], r"without a hole, got \[0, 10, 30\]"),
        (
            ["convention.symmetric_taus=true", "profile.taus=5"],
            "expected an even profile.taus, .* got 5; add one",
        ),
        (
            ["schedule.epsilon.points=[[1000,0.5],[2000,0.1]]"],
            r"schedule\.epsilon: expected a schedule whose first point is at frame 0",
        ),
        (["schedule.learning_rate.points=[0.1]"], r"schedule\.learning_rate: expected schedule points like"),
        (["convention.neoslide_bonus=[[5,0]]"], r"reward\.bonuses\.neoslide: .* first point is at frame 0"),
        (["profile.memory=[[10,100,50]]"], r"schedule\.memory"),
        (["profile.memory=3"], "expected a list for 'profile.memory', got 3"),
    ],
)
def test_contradictory_choices_are_one_sentence(overrides: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        check(*overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["obs=camera", "encoder=none"],  # cannot learn, and shows just that
        ["head=plain", "exploration=noisy_epsilon"],
        ["profile.warmup_frames=0", "profile.log_every=0", "profile.eval_starts=0"],
        ["+experiment=quickstart", "head=ln"],
        ["env=gymnasium", "encoder=none", "horizon=discounted", "schedule=btr"],
    ],
)
def test_odd_but_meaningful_choices_pass(overrides: list[str]) -> None:
    check(*overrides)


def test_a_value_of_a_class_may_be_a_whole_float() -> None:
    assert signatures({"_target_": "btr_tm.race.progress.CutOffs", "race_ms": 3e5})["race_ms"] == 300_000


def test_a_class_cannot_be_named_where_it_is_not_allowed() -> None:
    for node in ({"_target_": "subprocess.run"}, {"_target_": "btr_tm.x", "y": [{"_target_": "os.system"}]}):
        with pytest.raises(UserError, match="expected a _target_ within"):
            make(node)


def test_a_missing_group_is_named() -> None:
    values = compose_job([]).values
    del values["reward"]
    with pytest.raises(UserError, match="expected a value for 'reward', got none"):
        structure(values)


def test_a_device_that_is_not_there_is_one_sentence() -> None:
    assert device_of("auto").type in ("cpu", "cuda")
    for name in ("cuda:63", "toaster"):
        with pytest.raises(UserError, match="use device=auto"):
            device_of(name)
