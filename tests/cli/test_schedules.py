"""Schedules as the configuration makes them: published tables, one speed for all, and bad ones refused."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from btr_tm.cli.assembly.build import make
from btr_tm.cli.assembly.parts import checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.cli.configuration.groups import conf_dir
from btr_tm.core.clock import Credit, UseCredit
from btr_tm.core.errors import UserError

CHOICES = sorted(path.stem for path in (conf_dir() / "schedule").glob("*.yaml"))
FRAMES = (0, 30_000, 175_000, 2_000_000, 6_000_000, 13_000_000, 40_000_000)


@cache
def schedules(*overrides: str) -> dict[str, Any]:
    """By name; `overrides` as typed."""
    values = checked(compose_job(list(overrides)).values)
    nodes = values["schedule"] | {"capacity": values["replay"]["capacity"]}
    return {name: make(node) for name, node in nodes.items() if isinstance(node, dict)}


@pytest.mark.parametrize(
    ("name", "frames", "value"),
    [
        ("learning_rate", 0, 1e-3),
        ("learning_rate", 1_000_000, 3.684031e-4),
        ("learning_rate", 1_500_000, 2.236068e-4),
        ("learning_rate", 13_500_000, 2.236068e-5),
        ("learning_rate", 15_000_000, 1e-5),
        ("epsilon", 175_000, 0.3162278),
        ("epsilon", 1_650_000, 0.0547723),
        ("epsilon_boltzmann", 5_000_000, (0.15 * 0.03) ** 0.5),
        ("gamma", 2_000_000, 0.9995),
        ("gamma", 2_500_000, 1.0),
    ],
)
def test_the_default_tables_of_linesight(name: str, frames: int, value: float) -> None:
    """The baseline of the published runs stretches all but the discount by four."""
    assert schedules("schedule=linesight")[name](frames) == pytest.approx(value, rel=1e-6)
    stretch = 1 if name == "gamma" else 4
    assert schedules("schedule=linesight_x4")[name](stretch * frames) == pytest.approx(value, rel=1e-6)


def test_points_can_be_typed_in_the_place_of_a_constant() -> None:
    points = "{_target_:btr_tm.core.schedule.Linear,points:[[0,0.99],[800000,0.997]],speed:1.0}"
    found = schedules("schedule=short", "~schedule.gamma", f"+schedule.gamma={points}")["gamma"]
    assert [found(frames) for frames in (0, 400_000, 10**6)] == pytest.approx([0.99, 0.9935, 0.997])


def test_the_discount_is_stretched_if_asked() -> None:
    scaled = schedules("schedule=linesight_x4", "convention.gamma_speed=${schedule.speed}")["gamma"]
    assert scaled(2_000_000) == 0.999 and scaled(8_000_000) == pytest.approx(0.9995)


def test_the_constants_of_the_published_run_v4_2() -> None:
    found = schedules("schedule=linesight_v4_2")
    assert {found["learning_rate"](frames) for frames in FRAMES} == {1e-4}
    assert {found["gamma"](frames) for frames in FRAMES} == {0.997}
    assert found["epsilon"](175_000) == pytest.approx(0.3162278, rel=1e-6)


@pytest.mark.parametrize("choice", CHOICES)
def test_one_speed_stretches_every_schedule(choice: str) -> None:
    table = "profile.replay_steps=[[0,60000,20000],[5000000,131072,75000]]"
    common = (f"schedule={choice}", "convention.gamma_speed=${schedule.speed}", "horizon=mini_race", table)
    once, slow = schedules(*common, "schedule.speed=1"), schedules(*common, "schedule.speed=2.5")
    assert once.keys() == {"learning_rate", "gamma", "epsilon", "epsilon_boltzmann", "capacity"}
    for name in once:
        for frames in FRAMES:
            assert slow[name](int(2.5 * frames)) == pytest.approx(once[name](frames)), (name, frames)


def test_the_size_of_the_replay_is_that_of_the_profile() -> None:
    capacity = schedules("profile=smoke", "profile.replay_capacity=2048")["capacity"]
    assert capacity(0) == capacity(10**9) == (2048, 256)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (
            "schedule.learning_rate.points=[[10,1e-3],[20,1e-4]]",
            "first point of a schedule must be at frame 0",
        ),
        ("profile.replay_steps=[[5,1000,100]]", "first point of a schedule must be at frame 0"),
        ("profile.replay_steps=[[0,1000,100],[9,500,100]]", "never shrink"),
        ("profile.replay_steps=[[0,1000]]", "frame, capacity, start_learning"),
    ],
)
def test_a_schedule_that_cannot_be_is_one_sentence(override: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as told:
        schedules("schedule=linesight", override)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("choice", "kind"), [("frames", Credit), ("uses", UseCredit)])
def test_learning_is_paid_as_the_convention_says(choice: str, kind: type) -> None:
    from .test_parts import parts

    plan = parts("profile=smoke", f"credit={choice}", "replay/split=contiguous").plan()
    assert type(plan.credit) is kind and plan.test.period == 19
    assert parts("profile=smoke").plan().test.period == 0
    dues = sum(plan.updates_due(frames) for frames in range(0, 10_001, 8))
    paid = 10_000 * 0.95 - 256 if choice == "uses" else (10_000 - 256) * 0.95
    assert dues == pytest.approx(paid / 64, abs=1.5)


def test_choices_of_the_replay_reach_it() -> None:
    job = compose_job(
        [
            "replay=prioritized_linesight",
            "replay/finish=dropped",
            "replay/gamma_at=insertion",
            "replay/exponent=n",
            "replay/split=per_transition",
            "convention.priority_alpha=0.6",
        ]
    )
    replay = job.values["replay"]
    assert job.choices["learner/priority_error"] == "mean"
    names = {key: replay[key]["_target_"].rpartition(".")[2] for key in ("finish", "gamma_at", "exponent")}
    assert names == {"finish": "DropFinish", "gamma_at": "GammaAtInsertion", "exponent": "n_if_truncated"}
    assert replay["split"]["_target_"].endswith(".PerTransition")
    assert replay["sampler"]["_target_"].endswith(".LinesightPrioritized")
    assert replay["sampler"]["alpha"] == 0.6


def test_the_importance_exponent_is_a_number_or_annealed_to_one() -> None:
    def exponent(*overrides: str) -> Any:
        values = checked(compose_job(["replay=prioritized", *overrides]).values)
        return make(values["replay"]["sampler"]["beta"])

    assert exponent()(0) == exponent()(10**9) == 0.2
    annealed = exponent("importance=annealed", "convention.priority_beta=0.4", "profile=smoke")
    assert [annealed(frames) for frames in (0, 1024, 2048, 9999)] == pytest.approx([0.4, 0.7, 1.0, 1.0])
