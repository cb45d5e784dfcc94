"""The state of E cars as every backend reports it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class CarState(NamedTuple):
    """SI units. World axes: y up. Car axes: x to the left, y up, z forward, right-handed.

    The columns of `rotation` are the car's axes in the world, so v_car = rotation^T v_world.
    Wheels are front left, front right, rear left, rear right, or as the game numbers them.
    """

    position: Tensor  # (E, 3) float32, world, m
    rotation: Tensor  # (E, 3, 3) float32
    velocity: Tensor  # (E, 3) float32, world, m/s
    angular_velocity: Tensor  # (E, 3) float32, world, rad/s
    wheel_sliding: Tensor  # (E, 4) float32, 0 or 1
    wheel_contact: Tensor  # (E, 4) float32, 0 or 1
    damper_m: Tensor  # (E, 4) float32, how far each damper is pressed in
    surface: Tensor  # (E, 4) int64, under each wheel: 0 asphalt, 1 grass, 2 dirt, 3 turbo, 4 other
    gearbox_state: Tensor  # (E,) float32, 0 normal, not 0 while shifting or starting
    gear: Tensor  # (E,) float32
    rpm: Tensor  # (E,) float32
    freewheeling: Tensor  # (E,) float32, 0 or 1


def forward_speed(car: CarState) -> Tensor:
    """Speed along the car's nose (E,) in m/s, negative in reverse."""
    return (car.rotation[:, :, 2] * car.velocity).sum(1)
