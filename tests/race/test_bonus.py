"""Linesight's reward with all its terms, against a slow loop written from their description."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.race.progress import Progress
from btr_tm.race.reward.bonus import CloseToLine, Kamikaze, Neoslide, Speedslide
from btr_tm.race.reward.moment import Moment
from tests.race.shipped import bonus, linesight

SLIDES = [[0, 0], [4_500_000, 0], [5_000_000, 0.001], [15_000_000, 0]]  # the published runs'
K = (0.5, 0.25, 0.125, 0.0625)
ALL = linesight(
    potential_ahead=0.3,
    bonuses={
        "speedslide": bonus(Speedslide, [[0, K[0]]]),
        "neoslide": bonus(Neoslide, [[0, K[1]]]),
        "kamikaze": bonus(Kamikaze, [[0, K[2]]]),
        "close_to_line": bonus(CloseToLine, [[0, K[3]]]),
    },
)


def slow_speedslide(v_x: float, v_z: float, contact: list[float]) -> float:
    if sum(contact) != 4:
        return 0.0
    figure = np.interp(3.6 * v_z, [0, 100, 200, 300, 400, 500], [80, 80, 75, 67, 60, 55])
    quality = (20 * abs(v_x) - figure) / figure if 20 * abs(v_x) > figure else 0.0
    return max(0.0, 1 - abs(quality - 1))


def slow_reward(before: Moment, after: Moment, action: list[int], finished: bool, e: int) -> float:
    """Car `e` in float64, term by term."""

    def figures(moment):
        car = moment.car
        velocity = car.rotation[e].double().numpy().T @ car.velocity[e].double().numpy()
        return velocity, car.wheel_contact[e].tolist(), moment.points[e].double().numpy()

    velocity, contact, points = figures(after)
    v_x, _, v_z = velocity
    reward = -0.0012 * int(after.time_ms[e] - before.time_ms[e])
    reward += 0.01 * float(after.progress.metres[e].double() - before.progress.metres[e].double())
    if finished:
        return reward
    if v_z > 0:
        reward += 0.01 * 2 * (np.linalg.norm(velocity) - np.linalg.norm(figures(before)[0]))
    reward += K[0] * slow_speedslide(v_x, v_z, contact)
    reward += K[1] * (abs(v_x) >= 2)
    reward += K[2] * (all(a <= 2 for a in action) or sum(contact) <= 1)
    return reward + K[3] * min(max(np.linalg.norm(points[0]), 5), 25)


def random_moment(car_at, cars: int, seed: int, time_ms: int) -> Moment:
    """Cars that turn, slide, fly, stand and roll back anywhere."""
    generator = torch.Generator().manual_seed(seed)
    car = car_at(torch.zeros(cars, 3), seed)
    metres = 100 * torch.rand(cars, generator=generator)
    zone = torch.zeros(cars, dtype=torch.int64)
    progress = Progress(zone, zone, metres, metres, zone)
    along = torch.tensor([0.3, 0.3, 5.0]) * torch.randn(cars, 3, generator=generator)
    velocity = torch.einsum("eij,ej->ei", car.rotation, torch.tensor([1.0, 1.0, 8.0]) * 5 * along)
    points = 12 * torch.randn(cars, 2, 3, generator=generator)
    late = torch.randint(0, 3, (cars,), generator=generator)
    return Moment(car._replace(velocity=velocity), progress, time_ms + 10 * late, points)


@pytest.mark.parametrize("ticks", [None, 1, 5])
def test_every_term_equals_the_slow_loop_at_random_moments(car_at, ticks):
    cars = 400
    before, after = random_moment(car_at, cars, 1, 1000), random_moment(car_at, cars, 2, 1050)
    generator = torch.Generator().manual_seed(3)
    shape = (cars,) if ticks is None else (cars, ticks)
    # Few full-gas blocks would come up by chance.
    action = torch.randint(0, 12, shape, generator=generator) * (torch.arange(cars) % 3 > 0).view(
        -1, *[1] * (len(shape) - 1)
    )
    finished = torch.arange(cars) % 5 == 0
    reward = ALL(before, after, action, finished, torch.tensor(ALL.coefficients(0)))
    expected = [
        slow_reward(before, after, action[e].reshape(-1).tolist(), bool(finished[e]), e) for e in range(cars)
    ]
    np.testing.assert_allclose(reward, expected, atol=2e-5)


@pytest.mark.parametrize("ahead", [0.0, 0.3, -1.0])
def test_the_potential_equals_the_slow_loop_at_random_moments(car_at, ahead):
    moment = random_moment(car_at, 200, 4, 0)
    phi = replace(ALL, potential_ahead=ahead).potential(moment)
    for e in range(200):
        first, second = moment.points[e].double().numpy()
        heading = (second - first) / np.linalg.norm(second - first)
        expected = -0.1 * np.clip(np.linalg.norm(first), 2, 25) + ahead * (heading[2] - 1)
        assert float(phi[e]) == pytest.approx(expected, abs=1e-5)


@pytest.fixture
def sliding(car_at):
    """One car with given speeds to its left and forwards, and so many wheels down."""

    def make(v_x: float = 0.0, v_z: float = 0.0, wheels: int = 4) -> Moment:
        car = car_at(torch.zeros(1, 3))._replace(
            rotation=torch.eye(3)[None],
            velocity=torch.tensor([[v_x, 0.0, v_z]]),
            wheel_contact=(torch.arange(4) < wheels).float()[None],
        )
        zone = torch.zeros(1, dtype=torch.int64)
        progress = Progress(zone, zone, zone.float(), zone.float(), zone)
        return Moment(car, progress, zone, torch.zeros(1, 2, 3))

    return make


COAST = torch.tensor([3])


@pytest.mark.parametrize("km_h", [-50, 0, 50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 501, 700])
def test_speedslide_follows_the_table_and_holds_its_ends(sliding, km_h):
    for v_x in np.linspace(-14, 14, 57):
        amount = bonus(Speedslide)(sliding(float(v_x), km_h / 3.6), COAST)
        assert float(amount) == pytest.approx(slow_speedslide(v_x, km_h / 3.6, [1] * 4), abs=2e-5)


def test_speedslide_is_best_at_twice_the_figure_and_nothing_beyond_thrice(sliding):
    slides = [2.75, 5.5, 8.25]  # at 500 km/h and more the figure is 55 = 20 * 2.75
    amounts = [float(bonus(Speedslide)(sliding(v_x, 200.0), COAST)) for v_x in slides]
    assert amounts == pytest.approx([0.0, 1.0, 0.0], abs=1e-5)


@pytest.mark.parametrize("wheels", range(5))
def test_wheels_decide_on_speedslide_and_kamikaze(sliding, wheels):
    moment = sliding(5.5, 200.0, wheels)
    assert float(bonus(Speedslide)(moment, COAST)) == pytest.approx(float(wheels == 4))
    assert float(bonus(Kamikaze)(moment, COAST)) == float(wheels <= 1)
    assert float(bonus(Kamikaze)(moment, torch.tensor([2]))) == 1.0


@pytest.mark.parametrize(
    ("v_x", "amount"), [(0.0, 0), (1.999, 0), (2.0, 1), (-2.0, 1), (-1.999, 0), (9.0, 1)]
)
def test_neoslide_asks_for_two_metres_per_second_to_either_side(sliding, v_x, amount):
    assert float(bonus(Neoslide)(sliding(v_x, 30.0, wheels=0), COAST)) == amount


@pytest.mark.parametrize(("block", "amount"), [([0, 1, 2], 1), ([0, 1, 3], 0), ([9, 0, 0], 0), ([2], 1)])
def test_kamikaze_asks_for_gas_in_every_tick_of_a_block(sliding, block, amount):
    assert float(bonus(Kamikaze)(sliding(), torch.tensor([block]))) == amount


@pytest.mark.parametrize(("away_m", "amount"), [(0.0, 5), (5.0, 5), (13.0, 13), (25.0, 25), (80.0, 25)])
def test_close_to_line_is_the_clipped_distance(sliding, away_m, amount):
    moment = sliding()._replace(points=torch.tensor([[[0.0, away_m, 0.0], [0.0, 0.0, 0.0]]]))
    assert float(bonus(CloseToLine)(moment, COAST)) == pytest.approx(amount)


def test_the_published_schedule_over_frames_and_stretched():
    frames = [0, 4_500_000, 4_750_000, 5_000_000, 10_000_000, 15_000_000, 99_000_000]
    expected = [0, 0, 0.0005, 0.001, 0.0005, 0, 0]
    assert [bonus(Neoslide, SLIDES).coefficient(at) for at in frames] == pytest.approx(expected)
    assert [bonus(Neoslide, SLIDES, speed=4.0).coefficient(4 * at) for at in frames] == pytest.approx(
        expected
    )


def test_bonuses_that_are_0_for_ever_are_not_computed(car_at):
    class Loud(Neoslide):
        def __call__(self, after, action):
            raise AssertionError("computed")

    off = linesight(bonuses={"loud": bonus(Loud), "slow": bonus(Loud, [[0, 0], [1000, 0.0]])})
    before, after = random_moment(car_at, 50, 1, 0), random_moment(car_at, 50, 2, 50)
    arguments = before, after, torch.zeros(50, dtype=torch.int64), torch.arange(50) % 9 == 0
    assert off.coefficients(500) == ()
    assert torch.equal(off(*arguments, torch.zeros(0)), linesight()(*arguments))


@pytest.mark.slow
def test_changing_coefficients_compile_nothing_anew(sliding):
    graphs = []

    def backend(graph, example_inputs):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(ALL.__call__, backend=backend, fullgraph=True)
    before, after, on = sliding(), sliding(5.0, 90.0), torch.tensor([False])
    coefficients = torch.zeros(4)
    for step in range(3):
        coefficients.fill_(0.1 * step)
        worth = compiled(before, after, COAST, on, coefficients)
        torch.testing.assert_close(worth, ALL(before, after, COAST, on, coefficients))
    assert len(graphs) == 1


def test_a_bonus_without_a_value_at_0_is_refused_in_a_sentence():
    with pytest.raises(UserError, match="first point of a schedule must be at frame 0"):
        bonus(Speedslide, [[10, 0.1]])


def test_each_car_is_judged_by_its_own_wheels(sliding):
    """Four wheels of one car down, and none of the other's."""
    one, other = sliding(5.5, 200.0, 4), sliding(5.5, 200.0, 0)
    car = one.car._replace(**{
        name: torch.cat((getattr(one.car, name), getattr(other.car, name)))
        for name in ("rotation", "velocity", "wheel_contact")
    })  # fmt: skip
    both = one._replace(car=car)
    assert bonus(Speedslide)(both, COAST.repeat(2)).tolist() == pytest.approx([1.0, 0.0])
    assert bonus(Kamikaze)(both, COAST.repeat(2)).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("bonus", [bonus(Speedslide), bonus(Neoslide), bonus(Kamikaze), bonus(CloseToLine)])
def test_amounts_are_numbers_in_single_precision(sliding, bonus):
    assert bonus(sliding(), COAST).dtype == torch.float32
