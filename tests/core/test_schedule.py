"""Schedules against the published tables."""

from __future__ import annotations

import math

import pytest

from btr_tm.core.errors import UserError
from btr_tm.core.schedule import Constant, Decay, Exponential, Linear, Staircase

LEARNING_RATE = Exponential([[0, 1e-3], [3_000_000, 5e-5], [12_000_000, 5e-5], [15_000_000, 1e-5]])


@pytest.mark.parametrize(
    ("frames", "value"),
    [(0, 1e-3), (1_000_000, 3.684031e-4), (1_500_000, 2.236068e-4), (3_000_000, 5e-5)]
    + [(13_500_000, 2.236068e-5), (15_000_000, 1e-5), (10**9, 1e-5)],
)
def test_exponential_schedule_gives_the_published_learning_rates(frames: int, value: float) -> None:
    assert LEARNING_RATE(frames) == pytest.approx(value, rel=1e-6)


def test_exponential_schedule_gives_the_published_epsilons() -> None:
    epsilon = Exponential([[0, 1.0], [50_000, 1.0], [300_000, 0.1], [3_000_000, 0.03]])
    assert epsilon(25_000) == 1.0
    assert epsilon(175_000) == pytest.approx(0.3162278, rel=1e-6)
    assert epsilon(1_650_000) == pytest.approx(0.0547723, rel=1e-6)


def test_linear_schedule_interpolates_and_holds_the_last_value() -> None:
    gamma = Linear([[0, 0.999], [1_500_000, 0.999], [2_500_000, 1.0]])
    assert gamma(2_000_000) == pytest.approx(0.9995)
    assert gamma(3_000_000) == 1.0


def test_staircase_holds_each_value_until_the_next_point() -> None:
    stairs = Staircase([[0, 1], [10, 2]])
    assert [stairs(frames) for frames in (0, 9, 10, 11)] == [1.0, 1.0, 2.0, 2.0]


def test_speed_stretches_the_frames() -> None:
    assert Linear([[0, 0.0], [100, 1.0]], speed=4.0)(200) == pytest.approx(0.5)
    slow = Exponential(LEARNING_RATE.points, speed=4.0)
    assert slow(12_000_000) == pytest.approx(5e-5)
    assert slow(60_000_000) == pytest.approx(1e-5)


def test_constant_is_constant() -> None:
    assert Constant(0.997)(0) == Constant(0.997)(10**9) == 0.997


def decay(**options: float) -> Decay:
    known = {"constant_frames": 2e6, "stop_frames": math.inf, "after": 0.0, "speed": 1.0}
    return Decay(1.0, 0.01, **(known | options))


@pytest.mark.parametrize(
    ("steps", "value"),
    [(200_000, 0.905789), (2_000_000, 0.374201), (4_000_000, 0.143982), (15_000_000, 0.010548)],
)
def test_decay_gives_the_epsilons_of_the_btr_code(steps: int, value: float) -> None:
    epsilon = decay(stop_frames=25_000_000)
    assert epsilon(steps) == pytest.approx(value, abs=1e-6)
    assert epsilon(24_999_999) == pytest.approx(0.0100037, abs=1e-7)
    assert epsilon(25_000_000) == 0.0


def test_decay_plays_more_random_actions_than_a_linear_ramp() -> None:
    epsilon = decay()
    step = 10_000
    total = sum(epsilon(frames) * step for frames in range(step // 2, 25_000_000, step))
    assert total == pytest.approx(2.230e6, rel=1e-3)


@pytest.mark.parametrize("kind", [Linear, Exponential, Staircase])
@pytest.mark.parametrize("points", [[], [[10, 1.0]], [[0, 1.0], [20, 0.5], [10, 0.1]]])
def test_schedule_without_a_first_point_or_out_of_order_is_refused(kind: type, points: list) -> None:
    with pytest.raises(UserError, match="first point of a schedule|must increase"):
        kind(points)


def test_impossible_schedules_are_refused_in_one_sentence() -> None:
    for build in (
        lambda: Exponential([[0, 1.0], [10, 0.0]]),
        lambda: Linear([[0, 1.0]], speed=0.0),
        lambda: Linear([0, 1.0]),
        lambda: Linear([[0, 1.0], [5]]),
        lambda: decay(constant_frames=1.0),
    ):
        with pytest.raises(UserError, match="must|need") as told:
            build()
        assert "\n" not in str(told.value)
