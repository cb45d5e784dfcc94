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


def in_car_axes(car: CarState, vectors: Tensor) -> Tensor:
    """World vectors (E, Z, 3) as the cars see them.

    Not a matrix product: that may run in TF32 on a GPU, which loses decimetres at 400 m.
    """
    x, y, z = vectors.unsqueeze(-1).unbind(-2)  # (E, Z, 1)
    world_x, world_y, world_z = car.rotation.unsqueeze(1).unbind(-2)  # (E, 1, 3), world axes seen by the car
    return x * world_x + y * world_y + z * world_z


def forward_speed(car: CarState) -> Tensor:
    """Speed along the car's nose (E,) in m/s, negative in reverse."""
    return (car.rotation[:, :, 2] * car.velocity).sum(1)


def lateral_speed(car: CarState) -> Tensor:
    """Speed to the car's left (E,) in m/s."""
    return (car.rotation[:, :, 0] * car.velocity).sum(1)
