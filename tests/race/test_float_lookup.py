"""Where the reward finds the values of a car: by name, or at fixed places."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.race.features import Features
from btr_tm.race.float_lookup import FixedForFiveLookup, NamedLookup
from btr_tm.race.progress import start
from btr_tm.race.reward.bonus import CloseToLine, Kamikaze, Neoslide, Speedslide
from btr_tm.race.reward.moment import Moment
from tests.race.shipped import camera_features, linesight

COEFFICIENTS = (0.5, 0.25, 0.125, 0.0625)
BONUSES = {
    kind.__name__: kind([[0, k]], 1.0)
    for kind, k in zip((Speedslide, Neoslide, Kamikaze, CloseToLine), COEFFICIENTS, strict=True)
}
REWARD = linesight(potential_ahead=0.3, bonuses=BONUSES)
CARS = 64


@pytest.fixture
def read(winding, car_at):
    """Floats and moments of cars beside the line that pressed keys at random, as `lookup` hands them over."""

    def make(lookup, features, seed: int):
        generator = torch.Generator().manual_seed(seed)
        zone = torch.randint(20, winding.finish_zone, (CARS,), generator=generator)
        car = car_at(winding.points[zone] + 3 * torch.rand(CARS, 3, generator=generator), seed)
        progress = start(winding, car.position)
        history = features.start(CARS)
        for _ in range(features.previous_actions):
            history = features.remember(history, torch.randint(0, 12, (CARS,), generator=generator), car)
        floats = features(car, progress, winding, history)
        seen, points = lookup(features, floats, car, progress, winding)
        return floats, Moment(seen, progress, torch.full((CARS,), 50 * seed), points)

    return make


def worth(before: Moment, after: Moment) -> tuple[torch.Tensor, torch.Tensor]:
    action, on = torch.arange(CARS) % 12, torch.zeros(CARS, dtype=torch.bool)
    coefficients = torch.tensor(COEFFICIENTS)
    return REWARD(before, after, action, on, coefficients), REWARD.potential(after)


def test_with_five_previous_actions_fixed_places_are_right_bit_for_bit(read):
    named, fixed = (
        worth(*(read(lookup, Features(), seed)[1] for seed in (1, 2)))
        for lookup in (NamedLookup(), FixedForFiveLookup())
    )
    assert torch.equal(named[0], fixed[0])
    assert torch.equal(named[1], fixed[1])


def test_with_five_previous_actions_the_fixed_places_hold_what_named_reads(read):
    floats, moment = read(NamedLookup(), Features(), 3)
    assert torch.equal(floats[:, 25:29], moment.car.wheel_contact)
    turned = torch.einsum("eji,ej->ei", moment.car.rotation, moment.car.velocity)
    torch.testing.assert_close(floats[:, 56:59], turned, atol=1e-3, rtol=1e-5)
    assert torch.equal(floats[:, 62:68].view(CARS, 2, 3), moment.points)


@pytest.mark.parametrize("features", [Features(previous_actions=25), Features(previous_actions=4)])
def test_otherwise_the_reward_is_that_of_whatever_lies_at_the_fixed_places(read, features):
    (floats, first), (later, second) = (read(FixedForFiveLookup(), features, seed) for seed in (1, 2))
    reward, potential = worth(first, second)
    for e in range(CARS):
        old, new = floats[e].double(), later[e].double()
        metres = float(second.progress.metres[e].double() - first.progress.metres[e].double())
        contact, v, point = new[25:29], new[56:59], new[62:65]
        expected = -0.06 + 0.01 * metres
        expected += 0.02 * float(v.norm() - old[56:59].norm()) * (v[2] > 0)
        expected += 0.25 * (abs(v[0]) >= 2)
        expected += 0.125 * (e % 12 <= 2 or contact.sum() <= 1)
        expected += 0.0625 * point.norm().clamp(5, 25)
        heading = torch.nn.functional.normalize(new[65:68] - point, dim=0)
        slide = 20 * abs(v[0]) > 80 and contact.sum() == 4
        if not slide:
            assert float(reward[e]) == pytest.approx(float(expected), abs=1e-4)
        phi = -0.1 * point.norm().clamp(2, 25) + 0.3 * (heading[2] - 1)
        assert float(potential[e]) == pytest.approx(float(phi), abs=1e-4)


def test_with_25_previous_actions_speed_is_read_from_keys(read):
    floats, moment = read(FixedForFiveLookup(), Features(previous_actions=25), 5)
    assert set(moment.car.velocity.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(moment.points.flatten(1), floats[:, 62:68])


def test_a_vector_too_short_for_the_fixed_places_is_refused_in_a_sentence(read):
    with pytest.raises(UserError, match="reads floats up to number 67, but there are 63"):
        read(FixedForFiveLookup(), camera_features(), 1)


def test_a_vector_that_just_holds_the_fixed_places_is_read(read):
    features = Features(previous_actions=3, line_points=4)
    assert features.layout.size == 68
    floats, moment = read(FixedForFiveLookup(), features, 1)
    assert torch.equal(moment.points.flatten(1), floats[:, 62:68])


def test_named_points_are_the_same_whether_the_floats_hold_them_or_not(read):
    seen, unseen = (
        read(NamedLookup(), features, 2)[1].points for features in (Features(), camera_features())
    )
    torch.testing.assert_close(seen, unseen, atol=1e-3, rtol=0)
