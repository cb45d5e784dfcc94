from __future__ import annotations

import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.race.progress import advance, finish, start
from btr_tm.race.reward.bonus import CloseToLine
from btr_tm.race.reward.moment import Moment
from btr_tm.race.reward.progress import ProgressReward
from btr_tm.race.reward.race_time import RaceTimeReward
from btr_tm.replay.horizon.discounted import Discounted
from btr_tm.replay.horizon.segment import Segment
from tests.race.shipped import linesight

NO_ACTION = torch.zeros(1, dtype=torch.int64)
ON = torch.tensor([False])
OVER = torch.tensor([True])


@pytest.fixture
def moment_at(straight, car_at):
    """Moments of one car that drives along the straight line."""

    def make(progress, z: float, time_ms: int, speed: float, finished: bool = False, x: float = 0.0):
        position = torch.tensor([[x, 0.0, z]])
        time = torch.tensor([time_ms])
        after = advance(progress, straight, position, time) if progress else start(straight, position)
        after = finish(after, straight, torch.tensor([finished]))
        car = car_at(position)._replace(
            rotation=torch.eye(3)[None], velocity=torch.tensor([[0.0, 0.0, speed]])
        )
        points = torch.tensor([[[-x, 0.0, 0.0], [-x, 0.0, 10.0]]])
        return Moment(car, after, time, points)

    return make


def test_linesight_at_200_km_per_hour_gives_the_published_figure(moment_at):
    before = moment_at(None, 10.0, 0, 55.5556)
    after = moment_at(before.progress, 12.77778, 50, 55.5556)
    reward = linesight()(before, after, NO_ACTION, ON)
    assert float(reward) == pytest.approx(-0.06 + 0.0278, abs=1e-4)


def test_linesight_pays_two_seconds_of_new_speed_while_rolling_forwards(moment_at):
    before = moment_at(None, 10.0, 0, 20.0)
    reward = linesight()

    def paid(speed: float) -> float:
        after = moment_at(before.progress, 10.0, 50, speed)
        return float(reward(before, after, NO_ACTION, ON)) + 0.06

    assert paid(21.0) == pytest.approx(0.02)
    assert paid(18.0) == pytest.approx(-0.04)
    assert paid(-30.0) == pytest.approx(0.0, abs=1e-6)


def test_linesight_ends_with_the_exact_time_and_the_whole_line(straight, moment_at):
    before = moment_at(None, 98.0, 23_850, 50.0)
    after = moment_at(before.progress, 99.9, 23_870, 60.0, finished=True)
    reward = float(linesight()(before, after, NO_ACTION, OVER))
    missing_m = straight.total_m - float(before.progress.metres)
    assert reward == pytest.approx(-0.0012 * 20 + 0.01 * missing_m, abs=1e-5)


@pytest.mark.parametrize(("aside_m", "phi"), [(0.0, -0.2), (1.0, -0.2), (7.0, -0.7), (60.0, -2.5)])
def test_linesight_potential_is_the_clipped_distance_to_the_line(moment_at, aside_m, phi):
    moment = moment_at(None, 10.0, 0, 10.0, x=aside_m)
    assert float(linesight().potential(moment)) == pytest.approx(phi)


def test_linesight_potential_can_ask_for_a_heading_along_the_line(moment_at):
    moment = moment_at(None, 10.0, 0, 10.0)
    reward = linesight(potential_ahead=0.5)
    assert float(reward.potential(moment)) == pytest.approx(-0.2)
    sideways = moment._replace(points=torch.tensor([[[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]]]))
    assert float(reward.potential(sideways)) == pytest.approx(-0.7)


def test_progress_pays_metres_and_charges_time(moment_at):
    before = moment_at(None, 10.0, 0, 40.0)
    after = moment_at(before.progress, 12.0, 50, 40.0)
    reward = ProgressReward()(before, after, NO_ACTION, ON)
    assert float(reward) == pytest.approx(0.1 * 2 - 0.2 * 0.05, abs=1e-5)


def test_progress_charges_each_second_in_full(moment_at):
    before, after = moment_at(None, 10.0, 0, 0.0), moment_at(None, 10.0, 100_000, 0.0)
    assert float(ProgressReward(per_second=0.2)(before, after, NO_ACTION, ON)) == pytest.approx(-20.0)


def test_progress_counts_present_speed_as_seconds_of_driving(moment_at):
    reward = ProgressReward(per_metre=0.1, speed_as_s=2.0)
    assert float(reward.potential(moment_at(None, 10.0, 0, 40.0))) == pytest.approx(8.0)
    assert float(reward.potential(moment_at(None, 10.0, 0, -5.0))) == 0.0
    assert float(ProgressReward(speed_as_s=0.0).potential(moment_at(None, 10.0, 0, 40.0))) == 0.0


def test_progress_cannot_be_farmed_by_driving_back_and_forth(moment_at):
    moments = [moment_at(None, 10.0, 0, 40.0)]
    for i, z in enumerate([12.0, 9.0, 6.0, 9.0, 12.0, 13.0]):
        moments.append(moment_at(moments[-1].progress, z, 50 * (i + 1), 40.0))
    rewards = [
        float(ProgressReward(per_second=0.0)(before, after, NO_ACTION, ON))
        for before, after in zip(moments, moments[1:], strict=False)
    ]
    assert rewards == pytest.approx([0.2, 0.0, 0.0, 0.0, 0.0, 0.1], abs=1e-5)


def test_progress_of_a_whole_race_is_the_length_of_the_line_whatever_the_path(straight, moment_at):
    moment, total = moment_at(None, 0.0, 0, 40.0), 0.0
    for i, z in enumerate([10.0, 30.0, 25.0, 60.0, 99.0]):
        after = moment_at(moment.progress, z, 50 * (i + 1), 40.0, finished=z == 99.0)
        total += float(ProgressReward()(moment, after, NO_ACTION, torch.tensor([z == 99.0])))
        moment = after
    length_m = straight.total_m - straight.start_m
    assert total == pytest.approx(0.1 * length_m - 0.2 * 0.25 + 1.0, abs=1e-4)


@pytest.mark.parametrize("reward", [ProgressReward(), linesight()])
def test_faster_is_worth_more(moment_at, reward):
    before = moment_at(None, 98.0, 20_000, 40.0)
    early = moment_at(before.progress, 99.9, 20_010, 40.0, finished=True)
    late = moment_at(before.progress, 99.9, 20_050, 40.0, finished=True)
    assert reward(before, early, NO_ACTION, OVER) > reward(before, late, NO_ACTION, OVER)


def race_time(per_second: float = 1.0, potential_per_metre: float = 0.0, speed_as_s: float = 2.0):
    return RaceTimeReward(per_second, potential_per_metre, speed_as_s)


def test_race_time_costs_its_seconds_whatever_is_driven(moment_at):
    before = moment_at(None, 10.0, 0, 40.0)
    for metres, speed in ((12.0, 40.0), (9.0, -5.0)):
        after = moment_at(before.progress, metres, 50, speed)
        assert float(race_time(2.0)(before, after, NO_ACTION, ON)) == pytest.approx(-0.1)
    last = moment_at(moment_at(None, 98.0, 23_850, 50.0).progress, 99.9, 23_870, 60.0, finished=True)
    assert float(race_time(2.0)(before, last, NO_ACTION, OVER)) == pytest.approx(-2.0 * 23.87)


def test_race_time_counts_metres_and_speed_in_its_potential(moment_at):
    moment = moment_at(None, 10.0, 0, 40.0)
    metres = float(moment.progress.metres)
    assert float(race_time(1.0, 0.1).potential(moment)) == pytest.approx(0.1 * (metres + 80.0))
    assert float(race_time(1.0, 0.1).potential(moment_at(None, 10.0, 0, -9.0))) == pytest.approx(0.1 * metres)
    assert float(race_time(1.0, 0.0).potential(moment)) == 0.0


@pytest.mark.parametrize("gamma", [0.99, 0.997])
def test_a_race_given_up_is_worth_less_than_any_that_finishes(moment_at, gamma):
    """By the return that replay makes of a truncated race: it bootstraps from where the car stands."""
    decision = float(
        race_time()(moment_at(None, 10.0, 0, 0.0), moment_at(None, 10.0, 50, 0.0), NO_ACTION, ON)
    )

    def bootstrapped(decisions: int, value: float, over: bool) -> float:
        length, zero = torch.tensor([decisions]), torch.zeros(1)
        rewards = torch.full((1, decisions), decision)
        segment = Segment(rewards, length, torch.tensor([over]), zero, zero, gamma, length)
        found = Discounted(lambda _: gamma, Clock())(segment, torch.Generator())
        return float(found.reward + found.discount * value)

    given_up = 0.0
    for _ in range(1000):  # to the fixed point
        given_up = bootstrapped(40, given_up, over=False)
    assert given_up == pytest.approx(decision / (1 - gamma), rel=1e-3)
    races = [bootstrapped(decisions, 0.0, over=True) for decisions in (460, 470, 1000)]
    assert races == sorted(races, reverse=True) and races[-1] > given_up


@pytest.mark.parametrize("limits", [(30.0, 25.0), (25.0, 25.0), (-1.0, 25.0)])
def test_limits_between_which_no_distance_lies_are_refused(limits):
    nearest_m, farthest_m = limits
    with pytest.raises(UserError, match="nearest_m of the reward must be from 0 to below farthest_m"):
        linesight(nearest_m=nearest_m, farthest_m=farthest_m)
    with pytest.raises(UserError, match="nearest_m of the reward"):
        CloseToLine([[0, 1]], 1.0, nearest_m, farthest_m)
