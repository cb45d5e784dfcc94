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
            r"env\.ticks_per_action must be a whole number, got 'many'",
        ),
        ("logger:\n  wandbb:\n    project: x\n", r"unknown key 'logger\.wandbb'; did you mean 'wandb'\?"),
        ("env:\n  compile: fast\n", "env.compile must be auto or eager or kernel or compiled, got 'fast'"),
        (
            "head:\n  linear:\n    _target_: os.system\n",
            "head.linear cannot be 'os.system'; it can be btr_tm.nets.linear.Noisy",
        ),
        (
            "target:\n  _target_: btr_tm.targets.greedy.Mx\n",
            r"target cannot be 'btr_tm\.targets\.greedy\.Mx'; it can be btr_tm\.targets\.greedy\.DoubleDqn",
        ),
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
        (["logger.wandb.project=team/btr"], "set logger.wandb.project=btr and logger.wandb.entity=team"),
        (["profile.micro_batch=100"], "profile.micro_batch \\(100\\) must divide profile.batch_size"),
        (["profile.warmup_frames=1000000"], "must fit into profile.replay_capacity"),
        (["profile.cars=0"], "profile.cars must be larger than 0"),
        (
            ["replay=prioritized", "replay.sampler.epsilon=0"],
            "replay.sampler.epsilon must be larger than 0, got 0",
        ),
        (["+experiment=ppo", "learner.step.clip_norm=-1"], "learner.step.clip_norm must be larger than 0"),
        (["+experiment=ppo", "learner.passes.rows_at_once=0"], "rows_at_once must be larger than 0, got 0"),
        (["learner/reset=partial", "learner.reset.every_frames=-5"], "every_frames must be larger than 0"),
        (["parallel=ddp", "parallel.stall_s=-1"], "parallel.stall_s must be larger than 0, got -1"),
        (
            ["+experiment=pretrain", "net/objective=contrast", "profile.micro_batch=1"],
            "profile.micro_batch=1 leaves it none; raise it",
        ),
        (["profile.micro_batch=0"], "profile.micro_batch must be larger than 0, got 0"),
        (["profile.taus_act=0"], "profile.taus_act must be larger than 0"),
        (["profile.eval_starts=-1"], "profile.eval_starts must be 0 or larger"),
        (["convention.n_step=0"], "convention.n_step must be larger than 0"),
        (["seed=-1"], "seed must be 0 or larger, got -1"),
        (["convention.kappa=0"], "convention.kappa must be larger than 0, got 0"),
        (["convention.clip_norm=-1"], "convention.clip_norm must be larger than 0, got -1"),
        (["convention.munchausen_entropy_tau=0"], "convention.munchausen_entropy_tau must be larger than 0"),
        (["convention.weight_decay_ratio=-0.1"], "convention.weight_decay_ratio must be 0 or larger"),
        (["convention.first_cosine=-1"], "convention.first_cosine must be 0 or larger"),
        (["convention.priority_alpha=-1"], "convention.priority_alpha must be 0 or larger"),
        (["schedule.gamma.points=[[0,2.0]]"], "schedule.gamma must stay from 0 to 1, got 2.0"),
        (
            ["schedule=btr", "schedule.learning_rate.value=-1"],
            "schedule.learning_rate must stay from 0 to inf",
        ),
        (["schedule=btr", "schedule.epsilon.start=3"], "schedule.epsilon must stay from 0 to 1, got 3"),
        (["collector=processes", "collector.slots=0"], "collector.slots must be larger than 0, got 0"),
        (["collector=processes", "collector.stale_versions=-1"], "stale_versions must be 0 or larger"),
        (["collector=ray", "collector.ahead=0"], "collector.ahead must be larger than 0, got 0"),
        (["env/cut_offs=terminate"], "would stand still to have lost; choose env/cut_offs=truncate"),
        (["+experiment=ppo", "collector.decisions_per_collect=3"], "64 decisions .* not a multiple of 3"),
        (
            ["collector.decisions_per_collect=0"],
            "collector.decisions_per_collect must be larger than 0, got 0",
        ),
        (["env.ticks_per_action=0"], "env.ticks_per_action must be 1 or larger, got 0"),
        (["schedule.learning_rate.points=[[0,fast]]"], r"learning_rate: schedule points must be pairs"),
        (["profile.replay_steps=[[0,many,10]]"], r"profile\.replay_steps: .*capacity, start_learning"),
        (["env.action_offsets_ms=[0,10,30]"], r"without a hole, got \[0, 10, 30\]"),
        (
            ["convention.symmetric_taus=true", "profile.taus=5"],
            "profile.taus must be even, .* got 5",
        ),
        (
            ["schedule.epsilon.points=[[1000,0.5],[2000,0.1]]"],
            r"schedule\.epsilon: the first point of a schedule must be at frame 0",
        ),
        (["schedule.learning_rate.points=[0.1]"], r"schedule\.learning_rate: schedule points must be pairs"),
        (
            ["convention.neoslide_bonus=[[5,0]]"],
            r"reward\.bonuses\.neoslide: .* first point of a schedule must be at frame 0",
        ),
        (["profile.replay_steps=[[10,100,50]]"], r"profile\.replay_steps"),
        (["profile.replay_steps=3"], "profile.replay_steps must be a list, got 3"),
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
    node = {"env": {"cut_offs": {"_target_": "btr_tm.race.progress.CutOffs", "race_ms": 3e5}}}
    assert signatures(node)["env"]["cut_offs"]["race_ms"] == 300_000


def test_a_missing_group_is_named() -> None:
    values = compose_job([]).values
    del values["reward"]
    with pytest.raises(UserError, match="reward is missing"):
        structure(values)


def test_a_device_that_is_not_there_is_one_sentence() -> None:
    assert device_of("auto").type in ("cpu", "cuda")
    for name in ("cuda:63", "toaster"):
        with pytest.raises(UserError, match="write device=auto, cpu or cuda"):
            device_of(name)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("schedule.speed=nan", "schedule.speed must be a finite number, got nan"),
        ("schedule.speed=0", "schedule.speed must be larger than 0"),
        ("profile.impala_model_size=nan", "profile.impala_model_size must be a finite number"),
        ("profile.impala_model_size=inf", "profile.impala_model_size must be a finite number"),
        ("schedule.learning_rate.points=[[0,nan]]", "schedule.learning_rate.points must be a finite number"),
        ("profile.image_height=4000", "profile.image_height must be from 16 to 1024, got 4000"),
        ("profile.pool_size=999", "profile.pool_size must be at most 40, the size of the image, got 999"),
        ("profile.probe_states=1000000000", "profile.probe_states must be at most 100000, got 1000000000"),
        ("convention.n_step=1000000000", "convention.n_step must be at most 1000, got 1000000000"),
        ("profile.taus_act=1000000000", "profile.taus_act must be at most 1024, got 1000000000"),
        ("profile.impala_model_size=nan", "profile.impala_model_size must be a finite number, got nan"),
        ("schedule.speed=nan", "schedule.speed must be a finite number, got nan"),
        ("profile.image_width=4", "profile.image_width must be from 16 to 1024, got 4"),
        ("profile.threads=100000", r"profile.threads must be at most \d+ on \d+ cores, got 100000"),
        ("schedule.gamma=1.5", "schedule.gamma must stay from 0 to 1, got 1.5"),
    ],
)
def test_numbers_that_nothing_could_work_with_are_refused(override: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        check(override)
    assert "\n" not in str(caught.value)


def test_a_pool_without_a_cell_is_refused() -> None:
    with pytest.raises(UserError, match="encoder.pool.size must be larger than 0, got 0"):
        check("encoder=impala_pool", "encoder.pool.size=0")


def test_a_plain_number_stands_for_a_constant_schedule() -> None:
    values = check("schedule.learning_rate=0.1", "schedule.epsilon=0.2", "schedule.gamma=0.9")
    nodes = (
        values["schedule"]["learning_rate"], values["learner"]["learning_rate"],
        values["exploration"]["epsilon"], values["horizon"]["gamma"],
    )  # fmt: skip
    assert [make(node)(10**6) for node in nodes] == [0.1, 0.1, 0.2, 0.9]
    assert values["schedule"]["speed"] == 1.0
