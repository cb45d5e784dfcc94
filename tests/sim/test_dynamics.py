"""The car does what the published figures of the stadium car say, and nothing a car would not do."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from btr_tm.sim.physics.constants import KMH, CarConstants, sample_curves
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.track.flat import straight_track
from btr_tm.sim.world import World

GAS, GAS_LEFT, GAS_RIGHT, NOTHING, LEFT, BRAKE, BRAKE_RIGHT = 0, 1, 2, 3, 4, 6, 8


@pytest.fixture(scope="module")
def plain() -> World:
    """A flat square of asphalt, 3 km long and 2 km wide, one tick per action."""
    return World(straight_track(3000.0, half_width_m=1000.0, wall_m=1200.0), ticks_per_action=1)


def roll_at(world: World, kmh: float, s_m: float = 400.0, d_m: float = 0.0, yaw: float = 0.0) -> SimState:
    values = (torch.tensor([value]) for value in (s_m, d_m, yaw, kmh * KMH))
    return world.start(*values, torch.zeros(1, dtype=torch.int64))


def hold(world: World, state: SimState, action: int, seconds: float) -> SimState:
    for _ in range(round(seconds * 100 / world.ticks_per_action)):
        state = world.step(state, torch.tensor([action]))
    return state


def kmh(state: SimState) -> float:
    return float(state.velocity.norm()) / KMH


def history(world: World, state: SimState, action: int, seconds: float) -> list[SimState]:
    states = [state]
    for _ in range(round(seconds * 100)):
        states.append(world.step(states[-1], torch.tensor([action])))
    return states


@pytest.fixture(scope="module")
def launch(plain: World) -> list[SimState]:
    """Full gas from a standstill, a state per tick."""
    return history(plain, roll_at(plain, 0.0, s_m=20.0), GAS, 14.5)


def test_acceleration_meets_the_published_times_and_distances(launch: list[SimState]) -> None:
    speed = torch.tensor([kmh(state) for state in launch])
    way = torch.tensor([float(state.s_m) - 20.0 for state in launch])

    def seconds_to(target: float) -> float:
        return int((speed >= target).nonzero()[0]) / 100

    assert seconds_to(100) == pytest.approx(1.9, abs=0.05)
    assert seconds_to(200) == pytest.approx(4.7, abs=0.1)
    assert seconds_to(300) == pytest.approx(9.3, abs=0.1)
    assert float(speed[way >= 500][0]) == pytest.approx(310, abs=3)
    assert float(way[speed >= 400][0]) == pytest.approx(900, abs=30)


def test_acceleration_equals_a_scalar_loop_over_the_engine_steps(launch: list[SimState]) -> None:
    car, speed, shift, gear = CarConstants(), 0.0, 0, 1
    for _ in range(1000):
        now = 1 + sum(speed > limit * KMH for limit in car.shift_up_kmh)
        shift, gear = (6, now) if now != gear else (max(0, shift - 1), gear)
        force = next(force for limit, force in car.engine if speed < limit * KMH)
        speed += 0.01 * (force * (0.5 if shift > 0 else 1.0) - (1.0 if speed > 0 else 0.0))
    assert kmh(launch[1000]) == pytest.approx(speed / KMH, abs=1.0)


def test_a_curve_of_48_m_is_steered_at_195_kmh_without_sliding(plain: World) -> None:
    states = history(plain, roll_at(plain, 195.0), GAS_RIGHT, 0.3)[10:]
    radius = [float(s.velocity.norm() / s.body.yaw_rate) for s in states]
    assert min(radius) > 46 and max(radius) < 52
    assert all(float(s.body.slip) == 0 for s in states)


@pytest.mark.parametrize("speed", [20.0, 100.0, 200.0])
def test_the_smallest_radius_grows_with_speed(plain: World, speed: float) -> None:
    states = history(plain, roll_at(plain, speed), LEFT, 0.5)
    position = torch.stack([s.position[0, ::2].double() for s in states[10:]])
    a, b, c = position[0], position[len(position) // 2], position[-1]
    sides = [(b - c).norm(), (a - c).norm(), (a - b).norm()]
    area = 0.5 * abs(float((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]))
    middle = float(states[len(states) // 2].velocity.norm())
    assert float(torch.stack(sides).prod()) / (4 * area) == pytest.approx(2 + 0.85 * middle, rel=0.06)


def test_left_and_right_are_mirror_images(plain: World) -> None:
    left, right = (hold(plain, roll_at(plain, 250.0), action, 1.5) for action in (GAS_LEFT, GAS_RIGHT))
    assert float(left.d_m) == pytest.approx(-float(right.d_m), rel=1e-4)
    assert float(left.d_m) < -5 and float(right.position[0, 0]) < 0  # right of +z is -x


def test_too_much_steering_at_speed_slides_and_letting_go_recovers(plain: World) -> None:
    slide = hold(plain, roll_at(plain, 300.0), GAS_RIGHT, 0.8)
    assert float(slide.body.slip) == 1 and _drift_deg(slide) > 10
    released = hold(plain, slide, GAS, 1.2)
    assert float(released.body.slip) == 0 and _drift_deg(released) < 1
    assert kmh(released) > 250


def test_countersteering_ends_a_slide_sooner(plain: World) -> None:
    slide = hold(plain, roll_at(plain, 300.0), GAS_RIGHT, 0.8)
    assert _drift_deg(hold(plain, slide, GAS_LEFT, 0.3)) < _drift_deg(hold(plain, slide, GAS, 0.3)) - 5


def test_a_slide_can_be_held_but_never_spins_the_car_around(plain: World) -> None:
    states = history(plain, roll_at(plain, 350.0), GAS_RIGHT, 4.0)
    assert max(_drift_deg(state) for state in states) < 60
    assert min(_drift_deg(state) for state in states[100:300]) > 15


def test_braking_while_steering_starts_a_slide_only_at_speed(plain: World) -> None:
    assert float(hold(plain, roll_at(plain, 220.0), BRAKE_RIGHT, 0.3).body.slip) == 1
    assert float(hold(plain, roll_at(plain, 220.0), GAS_RIGHT, 0.3).body.slip) == 0
    assert float(hold(plain, roll_at(plain, 80.0), BRAKE_RIGHT, 0.3).body.slip) == 0


def test_the_brake_stops_the_car_and_then_reverses_it(plain: World) -> None:
    states = history(plain, roll_at(plain, 200.0), BRAKE, 5.0)
    forward = [float((s.velocity * s.forward).sum()) for s in states]
    stopped = next(i for i, speed in enumerate(forward) if speed <= 0)
    assert 1.0 < stopped / 100 < 3.0
    assert all(later <= earlier for earlier, later in zip(forward[1:], forward[2:], strict=False))
    assert -500 * KMH < forward[-1] < -10
    assert float(plain.car(states[-1]).gear) == 0


def test_braking_is_as_strong_as_published(plain: World) -> None:
    for speed, force in ((30.0, 1 + 1.75 * 30 * KMH), (300.0, 60.0)):
        slowed = kmh(plain.step(roll_at(plain, speed), torch.tensor([BRAKE])))
        assert (speed - slowed) * KMH == pytest.approx(0.01 * (force + 1), rel=0.02)


def test_reverse_steers_like_a_car(plain: World) -> None:
    """The tail follows the wheel: backing with the wheel to the right turns the nose to the left."""
    back = hold(plain, roll_at(plain, 0.0), BRAKE_RIGHT, 1.5)
    assert float(back.body.yaw_rate) < -0.3
    assert float(back.d_m) > 0.5 and float(back.s_m) < 400


def test_gears_change_at_the_published_speeds_with_a_short_loss_of_thrust(
    plain: World, launch: list[SimState]
) -> None:
    cars = [plain.car(state) for state in launch[::2]]
    gear = torch.tensor([float(car.gear) for car in cars])
    for new, speed in enumerate((102, 162, 235, 342), start=2):
        assert kmh(launch[2 * int((gear == new).nonzero()[0])]) == pytest.approx(speed, abs=1.5)
    shifting = sum(float(car.gearbox_state) for car in cars)
    assert shifting == pytest.approx(4 * 3, abs=4)  # 4 changes, 3 of every 6 ticks seen
    rpm = torch.tensor([float(car.rpm) for car in cars])
    assert float(rpm.max()) <= 11_000 and float(rpm.min()) >= 1000
    at_change = int((gear == 3).nonzero()[0])
    assert rpm[at_change - 1] > 10_500 > 9000 > rpm[at_change + 3]


def test_gears_do_not_hunt_around_a_change(plain: World) -> None:
    state, gears = roll_at(plain, 162.0), []
    for _ in range(8):
        state = hold(plain, hold(plain, state, GAS, 0.1), NOTHING, 0.6)
        gears.append(float(state.body.gear))
    assert sum(a != b for a, b in zip(gears, gears[1:], strict=False)) <= 1


def test_curves_are_sampled_from_the_published_points() -> None:
    curves = sample_curves(CarConstants()) * 100
    for speed, grip in ((1, 80), (100, 80), (200, 75), (250, 71), (300, 67), (400, 60), (500, 55)):
        assert float(curves[int(speed * KMH * 10), 3]) == pytest.approx(grip, abs=0.2)
    for speed, thrust in ((50, 16), (150, 11), (300, 7), (700, 5.5), (1010, 0)):
        assert float(curves[int(speed * KMH * 10), 0]) == pytest.approx(thrust, abs=1e-3)


def test_dampers_rest_at_two_centimetres_and_lean_in_curves(plain: World) -> None:
    assert plain.car(hold(plain, roll_at(plain, 0.0), NOTHING, 1.0)).damper_m.tolist()[0] == pytest.approx(
        [0.02] * 4, abs=1e-3
    )
    front_left, front_right = plain.car(hold(plain, roll_at(plain, 180.0), GAS_RIGHT, 0.5)).damper_m[0, :2]
    assert front_left > front_right + 0.01


def test_car_axes_are_left_up_forward(plain: World) -> None:
    car = plain.car(hold(plain, roll_at(plain, 100.0), GAS_RIGHT, 0.4))
    rotation = car.rotation[0]
    assert torch.allclose(rotation.T @ rotation, torch.eye(3), atol=1e-5)
    assert float(torch.linalg.det(rotation)) == pytest.approx(1, abs=1e-5)
    in_car = rotation.T @ car.velocity[0]
    assert float(in_car[2]) > 25 and abs(float(in_car[1])) < 1e-3
    turned = _turned(plain, 100.0)
    assert torch.allclose(turned, car.angular_velocity[0], atol=0.05)
    assert float(car.angular_velocity[0, 1]) < -0.9  # to the right is negative about up


def _turned(world: World, speed: float) -> Tensor:
    """Angular velocity from the change of the car's axes over one tick."""
    before = hold(world, roll_at(world, speed), GAS_RIGHT, 0.4)
    after = world.step(before, torch.tensor([GAS_RIGHT]))
    a, b = world.car(before).rotation[0], world.car(after).rotation[0]
    spin = (b - a) @ a.T / 0.01
    return torch.stack([spin[2, 1] - spin[1, 2], spin[0, 2] - spin[2, 0], spin[1, 0] - spin[0, 1]]) / 2


def _drift_deg(state: SimState) -> float:
    along = float((state.velocity * state.forward).sum() / state.velocity.norm())
    return math.degrees(math.acos(min(1.0, along)))
