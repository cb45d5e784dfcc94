from __future__ import annotations

import numpy as np
import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.race import actions
from btr_tm.race.features import Features
from btr_tm.race.progress import finish, start
from tests.race.shipped import camera_features


@pytest.fixture
def scene(winding, car_at):
    """Line, cars beside it, and their progress."""
    generator = torch.Generator().manual_seed(0)
    zone = torch.randint(20, winding.finish_zone, (16,), generator=generator)
    car = car_at(winding.points[zone] + 2 * torch.rand(16, 3, generator=generator))
    return winding, car, start(winding, car.position)


def slow_floats(features, car, progress, line, history, e: int) -> list[float]:
    """The published vector of car `e`, element by element."""
    turn = car.rotation[e].numpy().T
    here = car.position[e].numpy()
    values = [0.0]
    values += [key for row in history.previous_actions[e].tolist() for key in row]
    values += car.wheel_sliding[e].tolist() + car.wheel_contact[e].tolist() + car.damper_m[e].tolist()
    values += [float(car.gearbox_state[e]), float(car.gear[e]), float(car.rpm[e])]
    values += [float(history.gearbox_count[e])]
    for wheel in range(4):
        values += [float(car.surface[e, wheel] == group) for group in range(4)]
    for vector in (car.angular_velocity[e].numpy(), car.velocity[e].numpy(), np.array([0.0, 1.0, 0.0])):
        values += list(turn @ vector)
    for k in range(features.line_points):
        values += list(turn @ (line.points[int(progress.zone[e]) + 20 * k].numpy() - here))
    return values + [min(700.0, line.total_m - float(progress.metres[e])), float(car.freewheeling[e])]


@pytest.mark.parametrize("previous", [0, 1, 5, 25])
def test_floats_equal_the_published_vector(scene, previous):
    line, car, progress = scene
    features = Features(previous_actions=previous)
    history = features.start(16)
    for action in range(12):
        history = features.remember(history, torch.full((16,), action), car)
    floats = features(car, progress, line, history)
    assert floats.shape == (16, features.layout.size)
    assert floats.dtype == torch.float32
    for e in range(16):
        expected = slow_floats(features, car, progress, line, history, e)
        np.testing.assert_allclose(floats[e], expected, atol=2e-3, rtol=1e-5)


def test_camera_floats_are_the_full_ones_without_the_line(scene):
    line, car, progress = scene
    full, camera = Features(), camera_features()
    history = full.start(16)
    wide, narrow = full(car, progress, line, history), camera(car, progress, line, history)
    assert narrow.shape == (16, camera.layout.size)
    for name in camera.layout.names:
        torch.testing.assert_close(narrow[:, camera.layout[name]], wide[:, full.layout[name]])


def test_both_feature_sets_give_the_reward_the_same_points(scene):
    line, car, progress = scene
    full, camera = Features(), camera_features()
    floats = full(car, progress, line, full.start(16))
    from_floats = full.nearest_points(floats, car, progress, line)
    computed = camera.nearest_points(torch.empty(16, 0), car, progress, line)
    assert from_floats.shape == (16, 2, 3)
    torch.testing.assert_close(from_floats, computed, atol=1e-3, rtol=0)


def test_a_car_on_the_line_sees_it_straight_ahead(straight, car_at):
    car = car_at(torch.tensor([[0.0, 0.0, 10.0]]))._replace(rotation=torch.eye(3)[None])
    features = Features()
    floats = features(car, start(straight, car.position), straight, features.start(1))
    points = floats[0, features.layout["line_points"]].view(40, 3)
    torch.testing.assert_close(points[:, 2], 10.0 * torch.arange(40), atol=1e-3, rtol=0)
    assert points[:, :2].abs().max() < 1e-4


def test_a_car_left_of_the_line_sees_it_on_its_right(straight, car_at):
    # x of the car points left: what lies to the right has negative x.
    car = car_at(torch.tensor([[2.0, 0.0, 10.0]]))._replace(rotation=torch.eye(3)[None])
    features = Features()
    floats = features(car, start(straight, car.position), straight, features.start(1))
    assert float(floats[0, features.layout["line_points"]][0]) == pytest.approx(-2.0)


def test_actions_are_remembered_oldest_first_and_missing_ones_are_forward(car_at):
    features = Features(previous_actions=3)
    history = features.start(2)
    car = car_at(torch.zeros(2, 3))
    for action in ([6, 1], [4, 2]):
        history = features.remember(history, torch.tensor(action), car)
    assert torch.equal(history.previous_actions[0], actions.TABLE[[actions.FORWARD, 6, 4]])
    assert torch.equal(history.previous_actions[1], actions.TABLE[[actions.FORWARD, 1, 2]])


def test_a_block_of_actions_is_remembered_tick_by_tick(car_at):
    features = Features(previous_actions=3)
    block = torch.tensor([[1, 2], [3, 4]])
    history = features.remember(features.start(2), block, car_at(torch.zeros(2, 3)))
    assert torch.equal(history.previous_actions[1], actions.TABLE[[actions.FORWARD, 3, 4]])


def test_the_gearbox_is_counted_while_it_is_busy(car_at):
    features = Features()
    history = features.start(2)
    counts = []
    for busy in ([0, 2], [2, 2], [1, 0], [1, 1]):
        car = car_at(torch.zeros(2, 3))._replace(gearbox_state=torch.tensor(busy, dtype=torch.float32))
        history = features.remember(history, torch.zeros(2, dtype=torch.int64), car)
        counts.append(history.gearbox_count.tolist())
    assert counts == [[0, 1], [1, 2], [2, 0], [3, 1]]


def test_line_points_beyond_the_padding_are_refused_in_a_sentence():
    with pytest.raises(UserError, match="51 points every 20"):
        Features(line_points=51)


def test_a_finished_car_still_sees_a_line_ahead(winding, car_at):
    car = car_at(winding.points[-1000:-998])
    progress = finish(start(winding, car.position), winding, torch.tensor([True, True]))
    features = Features(line_points=50)
    assert features(car, progress, winding, features.start(2)).isfinite().all()


@pytest.mark.parametrize("cars", [1, 2])
def test_a_memory_keeps_the_strides_it_starts_with(car_at, cars):
    # Each layout of history is compiled anew.
    features = Features(previous_actions=3)
    history = features.start(cars)
    later = features.remember(history, torch.zeros(cars, dtype=torch.int64), car_at(torch.zeros(cars, 3)))
    assert later.previous_actions.stride() == history.previous_actions.stride()


def test_line_points_may_be_neighbours(straight, car_at):
    car = car_at(torch.tensor([[0.0, 0.0, 10.0]]))._replace(rotation=torch.eye(3)[None])
    features = Features(point_step=1)
    floats = features(car, start(straight, car.position), straight, features.start(1))
    points = floats[0, features.layout["line_points"]].view(40, 3)
    torch.testing.assert_close(points[:, 2], 0.5 * torch.arange(40), atol=1e-3, rtol=0)


def test_the_spread_of_dampers_reaches_the_layout():
    assert Features(damper_std=0.5).layout == FloatLayout.full(damper_std=0.5)
    assert camera_features(damper_std=0.5).layout == FloatLayout.camera(damper_std=0.5)
    assert FloatLayout.full(damper_std=0.5) != FloatLayout.full()


@pytest.mark.parametrize("make", [Features, camera_features])
def test_the_delay_of_actions_is_one_more_float_for_those_who_ask_for_it(scene, make):
    line, car, progress = scene
    plain, more = make(), make(action_delay=True)
    assert more.layout.names == (*plain.layout.names, "action_delay_s")
    history = more.start(16)._replace(delay_s=torch.arange(16) / 100)
    history = more.remember(history, torch.zeros(16, dtype=torch.int64), car)
    floats = more(car, progress, line, history)
    assert torch.equal(floats[:, more.layout["action_delay_s"]][:, 0], torch.arange(16) / 100)
    assert torch.equal(floats[:, :-1], plain(car, progress, line, history))
