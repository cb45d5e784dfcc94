"""Options of the reward and of zones, from the command line to a step of the simulator."""

from __future__ import annotations

import pytest
import torch

from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.clock import Clock
from btr_tm.envs.drive import Coefficients
from btr_tm.race.float_lookup import FixedForFiveLookup, NamedLookup
from btr_tm.race.gates import CheckpointGates, NoGates
from btr_tm.race.reward.bonus import Kamikaze, Neoslide, Speedslide
from tests.race.shipped import bonus, linesight

SLIDES = "[[0,0],[4500000,0],[5000000,0.001],[15000000,0]]"
BASE = ("profile=smoke", "encoder=none", "track=oval")


def built(*overrides: str) -> Parts:
    return Parts(checked(compose_job([*BASE, *overrides]).values), torch.device("cpu"))


def test_by_default_there_is_no_bonus_no_gate_and_no_misreading() -> None:
    race = built().env(2).race
    assert race.reward.active == ()
    assert isinstance(race.line.gates, NoGates)
    assert race.float_lookup == NamedLookup()
    # The sixteen figures of the layout's dampers and all others are those of a plain layout.
    assert race.features.layout.std[29:33] == (0.06,) * 4


def test_conventions_reach_the_race() -> None:
    parts = built(
        "gates=checkpoints",
        "float_lookup=fixed_for_5",
        "convention.damper_std=0.5",
        f"convention.neoslide_bonus={SLIDES}",
        "schedule=linesight_x4",
    )
    race = parts.env(2).race
    assert isinstance(race.line.gates, CheckpointGates)
    assert race.float_lookup == FixedForFiveLookup()
    assert race.features.layout.std[29:33] == (0.5,) * 4
    assert [type(bonus) for bonus in race.reward.active] == [Neoslide]
    # Four times the published frames.
    assert race.reward.coefficients(20_000_000) == pytest.approx((0.001,))


def test_a_bonus_is_paid_as_the_clock_of_the_run_says() -> None:
    parts = built("convention.kamikaze_bonus=[[0,0],[1000,1.0]]")
    rewards = []
    for frames in (0, 500, 5000):
        env = parts.env(3)
        parts.clock.frames = frames
        env.reset(seed=0)
        rewards.append(env.step(torch.zeros(3, dtype=torch.int64))[1])
    assert torch.equal(rewards[0], plain_reward())
    torch.testing.assert_close(rewards[1], rewards[0] + 0.5)
    torch.testing.assert_close(rewards[2], rewards[0] + 1.0)


def plain_reward() -> torch.Tensor:
    """Of the same step without any bonus."""
    env = built().env(3)
    env.reset(seed=0)
    return env.step(torch.zeros(3, dtype=torch.int64))[1]


def test_coefficients_follow_the_clock_in_one_tensor() -> None:
    clock = Clock()
    points = [[0, 0], [1000, 0.5]]
    bonuses = {"off": bonus(Speedslide), "neo": bonus(Neoslide, points), "gas": bonus(Kamikaze, [[0, 2.0]])}
    present = Coefficients(linesight(bonuses=bonuses), clock, "cpu")
    first = present()
    assert first.tolist() == [0.0, 2.0]
    clock.frames = 1000
    assert present().tolist() == [0.5, 2.0]
    assert present() is first
