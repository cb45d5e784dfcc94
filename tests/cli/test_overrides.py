"""Arm names, the order of ablations, and the jobs of a sweep."""

from __future__ import annotations

import pytest

from btr_tm.cli.configuration.overrides import BUDGET, LABELS, ablations, arm, jobs, refuse_early_ablation
from btr_tm.core.errors import UserError
from btr_tm.run.manifest import MAY_CHANGE, MAY_CHANGE_BELOW


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "base"),
        (["+experiment=quickstart", "seed=3", "logger=none", "device=cpu", "runs_dir=x"], "base"),
        (["logger.wandb.entity=team", "+logger.mine.mode=x", "target=ddqn"], "target=ddqn"),
        (["+experiment=quickstart", "target=ddqn"], "target=ddqn"),
        (["+experiment=quickstart", "profile.total_frames=9", "profile.cars=8"], "profile.cars=8"),
        (["encoder/pool=none", "head=ln"], "encoder.pool=none,head=ln"),
        (["head=ln", "encoder/pool=none"], "encoder.pool=none,head=ln"),
        (["+experiment=quickstart", "+ablation=none"], "base"),
        (["+experiment=quickstart", "+ablation=[no_noisy,no_impala]"], "no_impala,no_noisy"),
        (["track.name_or_path=C:\\lines\\my line.npy"], "track.name_or_path=C-lines-my-line.npy"),
    ],
)
def test_arm_names_what_differs_from_the_experiment(overrides: list[str], name: str) -> None:
    assert arm(overrides) == name


def test_what_may_change_between_two_sessions_does_not_name_the_folder() -> None:
    assert all(arm([f"{key}=1"]) == "base" for key in BUDGET | {"device", "logger"})
    assert arm(["parallel=ddp", "parallel.processes=4", "collector.resources.CPU=2"]) == "parallel=ddp"
    profile = {key.removeprefix("profile.") for key in BUDGET if key.startswith("profile.")}
    assert profile | {"device"} == set(MAY_CHANGE)
    assert (BUDGET | LABELS | {"parallel"}) >= set(MAY_CHANGE_BELOW) - {"hydra"}


def test_long_arm_names_stay_short_and_different() -> None:
    first = arm([f"profile.key_{i}={i}" for i in range(30)])
    second = arm([f"profile.key_{i}={i}" for i in range(31)])
    assert len(first) <= 100 and len(second) <= 100 and first != second


def test_an_ablation_before_its_experiment_is_refused() -> None:
    refuse_early_ablation(["+experiment=x", "+ablation=no_noisy"])
    refuse_early_ablation(["+ablation=no_noisy"])
    with pytest.raises(UserError, match=r"type \+experiment=x \+ablation=no_noisy"):
        refuse_early_ablation(["+ablation=no_noisy", "+experiment=x"])


def test_ablations_stack() -> None:
    assert ablations(["+experiment=x", "+ablation=[no_noisy,no_munchausen]"]) == ["no_noisy", "no_munchausen"]


def test_a_sweep_is_the_product_of_its_axes() -> None:
    found = jobs(["+experiment=x", "+ablation=none,[a,b]", "seed=0,1"], {})
    assert found == [
        ["+experiment=x", "+ablation=none", "seed=0"],
        ["+experiment=x", "+ablation=none", "seed=1"],
        ["+experiment=x", "+ablation=[a,b]", "seed=0"],
        ["+experiment=x", "+ablation=[a,b]", "seed=1"],
    ]


def test_sweeper_parameters_come_before_what_was_typed() -> None:
    assert jobs(["seed=3"], {"head": "ln,plain"}) == [["head=ln", "seed=3"], ["head=plain", "seed=3"]]


def test_a_sweep_needs_discrete_values() -> None:
    with pytest.raises(UserError, match="write a list of values: a,b,c"):
        jobs(["profile.cars=interval(1,9)"], {})
