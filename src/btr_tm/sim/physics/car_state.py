"""What a car reports about itself: axes, wheels, gearbox, in the terms every backend uses.

Letters in shapes: E cars, W = 4 wheels (front left, front right, rear left, rear right).
"""

from __future__ import annotations

import torch
from torch import Tensor

from btr_tm.race.car import CarState
from btr_tm.sim.physics.constants import IDLE_RPM, KMH, MAX_RPM, TICK_S, CarConstants
from btr_tm.sim.physics.dynamics import CONTACT_M, Body
from btr_tm.sim.physics.road import REACH_M
from btr_tm.sim.track.ribbon import GRASS, OTHER, RibbonPoint

TOP_KMH = 450.0  # of the last gear
BACKING_MPS = -1.0  # a car that rolls back faster has no gear
SHIFTING_RPM_LOST = 0.2
SLIDING = 0.1  # a wheel slides from this share of full slip
ROLL_M = 0.00025  # m of damper per m/s^2 of sideways acceleration: 1 to 2 cm in a fast curve


def axes(body: Body) -> tuple[Tensor, Tensor, Tensor]:
    """Left, up and forward of each car, (E, 3) orthonormal."""
    forward = body.forward.t()
    left = torch.linalg.cross(body.up.t(), forward)
    left = left * (left * left).sum(1, keepdim=True).rsqrt()
    return left, torch.linalg.cross(forward, left), forward


def car_state(body: Body, here: RibbonPoint, car: CarConstants) -> CarState:
    """The car in SI units; `here` is the ribbon at the cars' arc lengths (E)."""
    left, up, forward = axes(body)
    contact, surface = _under_wheels(body, here, left, forward, car)
    speed = (forward * body.velocity.t()).sum(1)
    zero = torch.zeros_like(speed)
    return CarState(
        position=body.position.t(),
        rotation=torch.stack([left, up, forward], dim=2),
        velocity=body.velocity.t(),
        angular_velocity=up * -body.yaw_rate.unsqueeze(1),
        wheel_sliding=(body.slip > SLIDING).float().unsqueeze(1) * contact,
        wheel_contact=contact,
        damper_m=_dampers(body, speed),
        surface=surface,
        gearbox_state=(body.shift_s > 0).float(),
        gear=torch.where(speed < BACKING_MPS, zero, body.gear),
        rpm=_rpm(speed.abs(), body, car),
        freewheeling=zero,
    )


def _under_wheels(
    body: Body, here: RibbonPoint, left: Tensor, forward: Tensor, car: CarConstants
) -> tuple[Tensor, Tensor]:
    """Ground contact (E, W) float and material (E, W) int64 of each wheel."""

    def offsets(direction: Tensor, which: Tensor) -> Tensor:
        return (direction * which).sum(1)

    aside, ahead = offsets(left, here.right), offsets(forward, here.right)
    rise_left, rise_ahead = offsets(left, here.up), offsets(forward, here.up)
    half, axle = car.half_track_m, car.axle_m
    d = torch.stack([body.d_m + y * half * aside + x * axle * ahead for x, y in _WHEELS], dim=1)
    lifts = [body.height_m + y * half * rise_left + x * axle * rise_ahead for x, y in _WHEELS]
    height = torch.stack(lifts, dim=1)
    ground = (here.road > 0.5) & (body.height_m > -REACH_M)
    near = (height < 3 * CONTACT_M) & ground.unsqueeze(1)
    on_road = d.abs() < here.half_width_m.unsqueeze(1)
    material = torch.where(on_road, here.surface.unsqueeze(1), GRASS)
    return near.float(), torch.where(near, material, OTHER)


_WHEELS = ((1, 1), (1, -1), (-1, 1), (-1, -1))  # ahead, to the left


def _dampers(body: Body, speed: Tensor) -> Tensor:
    """Compression (E, W): the car leans to the outside of its curve."""
    lean = ROLL_M * body.yaw_rate * speed * body.contact  # > 0 in a curve to the right: left wheels
    return (body.damper_m.unsqueeze(1) + torch.stack([lean, -lean, lean, -lean], dim=1)).clamp(min=0)


def _rpm(speed: Tensor, body: Body, car: CarConstants) -> Tensor:
    """Engine speed: proportional to the road's within a gear, highest where the next gear comes."""
    top = torch.full_like(speed, TOP_KMH * KMH)
    for gear, limit_kmh in reversed(list(enumerate(car.shift_up_kmh, start=1))):
        top = torch.where(body.gear <= gear, limit_kmh * KMH, top)
    settled = IDLE_RPM + (MAX_RPM - IDLE_RPM) * (speed / top).clamp(max=1)
    return settled * (1 - SHIFTING_RPM_LOST * (body.shift_s * (1 / (car.shift_s + TICK_S))))
