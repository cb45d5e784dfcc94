"""The composition rules, each tried on what ships in conf/."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import pytest

from btr_tm.cli.configuration import composition
from btr_tm.cli.configuration.composition import Composition, compose_jobs, refuse_twins
from btr_tm.cli.configuration.groups import conf_dir
from btr_tm.core.errors import UserError

EXPERIMENTS = sorted(path.stem for path in (conf_dir() / "experiment").glob("*.yaml"))
ABLATIONS = sorted(path.stem for path in (conf_dir() / "ablation").glob("*.yaml"))
LEFT_OUT = [name for name in ABLATIONS if name.startswith("no_")]
ADDED = [name for name in ABLATIONS if name.startswith("plus_")]
OFF = ["target=ddqn", "encoder=cnn", "head=plain"]
INGREDIENTS = (
    ("target", "Munchausen"),
    ("encoder.body", "ImpalaBody"),
    ("encoder.pool", "AdaptiveMaxPool"),
    ("encoder.norm", "SpectralNorm"),
    ("head.norm", "LayerNorm"),
    ("head.linear", "Noisy"),
)
GAP, EXPANSION = "GlobalAveragePool", "MeanExpansionHead"
CANDIDATES = (("encoder.pool", GAP), ("head", EXPANSION))  # not part of Beyond The Rainbow


@cache
def cached(*overrides: str) -> Composition:
    return composition.compose_job(overrides)


def compose_job(overrides: list[str], config_dir: str | None = None) -> Composition:
    """Composing costs a fifth of a second, so each command line is composed once."""
    return composition.compose_job(overrides, config_dir) if config_dir else cached(*overrides)


def target(job: Composition, path: str) -> str:
    node = job.values
    for key in path.split("."):
        node = node[key]
    return node["_target_"].rpartition(".")[2]


def ingredients(job: Composition) -> set[str]:
    return {name for path, name in INGREDIENTS if target(job, path) == name}


def candidates(job: Composition) -> set[str]:
    return {name for path, name in CANDIDATES if target(job, path) == name}


def flat(node: dict, path: str = "") -> dict[str, object]:
    """Dotted keys of the resolved configuration; what was not chosen left out."""
    found: dict[str, object] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            found |= flat(value, f"{path}{key}.")
        elif not isinstance(value, dict):
            found[f"{path}{key}"] = value
    return found


def differences(one: Composition, other: Composition) -> set[str]:
    """Keys, except the name, in which two jobs differ."""
    first, second = flat(one.values), flat(other.values)
    return {k for k in first.keys() | second.keys() if first.get(k) != second.get(k)} - {"name"}


ALL = {name for _, name in INGREDIENTS}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiments_compose(experiment: str) -> None:
    job = compose_job([f"+experiment={experiment}"])
    assert job.folder == Path("runs") / experiment / "base" / "s0"


def test_without_an_experiment_there_is_no_ingredient() -> None:
    assert ingredients(compose_job([])) == set()
    assert ingredients(compose_job(["+experiment=a01_v2"])) == set()


@pytest.mark.parametrize("experiment", ["quickstart", "a01_v4_btr"])
def test_btr_has_all_six(experiment: str) -> None:
    assert ingredients(compose_job([f"+experiment={experiment}"])) == ALL


@pytest.mark.parametrize(
    ("choice", "gone"),
    [
        ("target=ddqn", {"Munchausen"}),
        ("target=max", {"Munchausen"}),
        ("encoder=cnn_sn_pool", {"ImpalaBody"}),
        ("encoder=impala_sn", {"AdaptiveMaxPool"}),
        ("encoder=impala_pool", {"SpectralNorm"}),
        ("encoder=impala", {"AdaptiveMaxPool", "SpectralNorm"}),
        ("encoder=cnn", {"ImpalaBody", "AdaptiveMaxPool", "SpectralNorm"}),
        ("head=noisy", {"LayerNorm"}),
        ("head=ln", {"Noisy"}),
        ("head=plain", {"LayerNorm", "Noisy"}),
        ("encoder/norm=none", {"SpectralNorm"}),
    ],
)
def test_one_ingredient_is_left_out_by_group_choice(choice: str, gone: set[str]) -> None:
    assert ingredients(compose_job(["+experiment=a01_v4_btr", choice])) == ALL - gone


def test_presets_and_their_parts_combine() -> None:
    job = compose_job(["encoder=impala", "encoder/pool=adaptive_max"])
    assert ingredients(job) == {"ImpalaBody", "AdaptiveMaxPool"}


def test_every_ingredient_off_is_the_baseline_but_for_the_previous_actions() -> None:
    off, base = compose_job(["+experiment=a01_v4_btr", *OFF]), compose_job(["+experiment=a01_v2"])
    assert differences(off, base) == {"obs.previous_actions"}
    again = compose_job(["+experiment=a01_v4_btr", *OFF, "obs=full"])
    assert again.fingerprint == base.fingerprint


@pytest.mark.parametrize("ablation", LEFT_OUT)
def test_each_ablation_takes_exactly_one_ingredient_off(ablation: str) -> None:
    assert len(ingredients(compose_job(["+experiment=a01_v4_btr", f"+ablation={ablation}"]))) == 5


@pytest.mark.parametrize("ablation", ADDED)
def test_each_addition_puts_exactly_one_ingredient_on(ablation: str) -> None:
    job = compose_job(["+experiment=a01_v2", f"+ablation={ablation}"])
    assert len(ingredients(job) | candidates(job)) == 1


@pytest.mark.parametrize(("ablation", "name"), [("plus_gap", GAP), ("plus_mean_expansion", EXPANSION)])
def test_a_candidate_joins_the_full_recipe_and_replaces_only_its_part(ablation: str, name: str) -> None:
    job = compose_job(["+experiment=a01_v4_btr", f"+ablation={ablation}"])
    assert candidates(job) == {name}
    assert ingredients(job) == ALL - ({"AdaptiveMaxPool"} if name == GAP else set())


def test_ablations_stack_to_the_baseline() -> None:
    job = compose_job(["+experiment=a01_v4_btr", "obs=full", f"+ablation=[{','.join(LEFT_OUT)}]"])
    assert job.fingerprint == compose_job(["+experiment=a01_v2"]).fingerprint


@pytest.mark.parametrize("experiment", ["quickstart", "a01_v4_btr"])
def test_all_arms_of_leave_one_out_differ(experiment: str) -> None:
    arms = ",".join(["none", *LEFT_OUT])
    jobs = compose_jobs([f"+experiment={experiment}", f"+ablation={arms}", "seed=0"])
    assert len({job.fingerprint for job in jobs}) == 1 + len(LEFT_OUT)
    assert len({job.folder for job in jobs}) == len(jobs) == 1 + len(LEFT_OUT)


@pytest.mark.parametrize("added", [name for name in ADDED if name.replace("plus", "no") in LEFT_OUT])
def test_one_ingredient_added_is_all_others_left_out(added: str) -> None:
    others = [name for name in LEFT_OUT if name != added.replace("plus", "no")]
    left = compose_job(["+experiment=a01_v4_btr", "obs=full", f"+ablation=[{','.join(others)}]"])
    assert left.fingerprint == compose_job(["+experiment=a01_v2", f"+ablation={added}"]).fingerprint


def test_ablation_none_is_the_experiment_itself() -> None:
    none = compose_job(["+experiment=quickstart", "+ablation=none"])
    plain = compose_job(["+experiment=quickstart"])
    assert (none.fingerprint, none.folder) == (plain.fingerprint, plain.folder)


def test_an_ablation_before_its_experiment_is_refused() -> None:
    with pytest.raises(UserError, match="the ablation must follow its experiment"):
        compose_job(["+ablation=no_noisy", "+experiment=quickstart"])


def test_an_ablation_among_the_sweeper_parameters_is_refused(tmp_path: Path) -> None:
    # Hydra puts the sweeper's parameters in front, where the experiment's presets undo them.
    folder = tmp_path / "experiment"
    folder.mkdir()
    sweep = "hydra:\n  sweeper:\n    params:\n      +ablation: none,no_noisy\n"
    (folder / "mine.yaml").write_text(f"# @package _global_\ndefaults:\n  - a01_v4_btr\n{sweep}")
    with pytest.raises(UserError, match="the ablation must follow its experiment"):
        compose_jobs(["+experiment=mine"], str(tmp_path))


def test_an_ablation_that_a_later_choice_undoes_is_refused() -> None:
    with pytest.raises(UserError, match="ablation=no_noisy is undone: head/linear is noisy and not plain"):
        compose_job(["+experiment=quickstart", "+ablation=no_noisy", "head/linear=noisy"])


def test_two_arms_with_one_fingerprint_are_refused() -> None:
    with pytest.raises(UserError, match="'base' and 'no_noisy' have the same configuration"):
        compose_jobs(["+experiment=a01_v2", "+ablation=none,no_noisy"])
    with pytest.raises(UserError, match="have the same configuration"):
        compose_jobs(["+experiment=a01_v4_btr", "target=munchausen,ddqn", "profile.cars=256,256"])


def test_two_jobs_of_one_folder_are_refused() -> None:
    with pytest.raises(UserError, match="two jobs would write into"):
        compose_jobs(["profile=smoke", "profile.total_frames=100,200"])


def test_two_experiments_that_only_differ_in_name_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "experiment"
    folder.mkdir()
    (folder / "mine.yaml").write_text("# @package _global_\ndefaults:\n  - a01_v2\n  - _self_\nname: mine\n")
    jobs = [compose_job([f"+experiment={name}"], str(tmp_path)) for name in ("a01_v2", "mine")]
    assert jobs[0].folder != jobs[1].folder
    with pytest.raises(UserError, match="have the same configuration"):
        refuse_twins([*jobs, compose_job(["+experiment=mine", "target=ddqn"], str(tmp_path))])


@pytest.mark.parametrize("label", ["seed=1", "logger=none", "runs_dir=x", "device=cpu", "name=x"])
def test_labels_do_not_change_the_fingerprint(label: str) -> None:
    assert compose_job([label]).fingerprint == compose_job([]).fingerprint


@pytest.mark.parametrize("value", ["profile=smoke", "target.over=quantile", "convention.kappa=0.005"])
def test_everything_else_does(value: str) -> None:
    base = ["target=max"]
    assert compose_job([*base, value]).fingerprint != compose_job(base).fingerprint


def test_a_profile_beats_the_experiment() -> None:
    small = compose_job(["+experiment=a01_v4_btr", "profile=smoke"])
    assert small.values["encoder"]["body"]["model_size"] == small.values["profile"]["impala_model_size"] < 1


def test_run_folders_are_deterministic_and_flat() -> None:
    job = compose_job(["+experiment=a01_v4_btr", "encoder/pool=none", "seed=7", "runs_dir=elsewhere"])
    assert job.folder.as_posix() == "elsewhere/a01_v4_btr/encoder.pool=none/s7"


def test_appearance_is_chosen_by_group_and_plain_adds_nothing() -> None:
    plain, varied = compose_job([]), compose_job(["env/appearance=varied", "env.appearance.brightness=30"])
    assert "appearance" not in plain.values["env"]
    assert compose_job(["env/appearance=plain"]).fingerprint == plain.fingerprint != varied.fingerprint
    assert target(varied, "env.appearance") == "VariedAppearance"
    assert varied.values["env"]["appearance"]["brightness"] == 30
    assert plain.values["env"].items() <= varied.values["env"].items()
    assert ingredients(compose_job(["+experiment=a01_v4_btr", "env/appearance=varied"])) == ALL
    with pytest.raises(UserError, match="env/appearance"):
        compose_job(["env=gymnasium", "env/appearance=varied"])


def test_groups_sweep() -> None:
    jobs = compose_jobs(["+experiment=a01_v4_btr", "encoder=impala,impala_sn", "seed=0,1"])
    assert [job.folder.as_posix().split("/")[2:] for job in jobs] == [
        list(pair) for pair in itertools.product(["encoder=impala", "encoder=impala_sn"], ["s0", "s1"])
    ]


def test_jobs_of_a_sweep_lie_where_the_sweep_is_told() -> None:
    jobs = compose_jobs(["seed=0,1", "hydra.sweep.dir=elsewhere"])
    assert [job.folder.as_posix() for job in jobs] == ["elsewhere/base/base/s0", "elsewhere/base/base/s1"]


def test_an_experiment_of_the_user_can_inherit(tmp_path: Path) -> None:
    folder = tmp_path / "experiment"
    folder.mkdir()
    text = (
        "# @package _global_\ndefaults:\n  - a01_v4_btr\n  - override /encoder: cnn\n  - _self_\nname: mine\n"
    )
    (folder / "mine.yaml").write_text(text)
    job = compose_job(["+experiment=mine"], str(tmp_path))
    assert ingredients(job) == {"Munchausen", "LayerNorm", "Noisy"}
    with pytest.raises(UserError, match="--config-dir"):
        compose_job([], str(tmp_path / "absent"))


@pytest.mark.parametrize("launcher", ["submitit_local", "submitit_slurm"])
def test_submitit_writes_into_a_folder_without_a_placeholder(launcher: str) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    with composition.opened(None):
        words = [f"hydra/launcher={launcher}", "runs_dir=r"]
        cfg = composition.compose("config", words, return_hydra_config=True)
    assert cfg.hydra.launcher.submitit_folder == "r/.submitit"
