"""One tick (10 ms) of car physics: pure functions over cars in the last axis.

Written for few tensor operations. No sin, atan2, pow or matrix product: their vectorised tails may differ
by slot, and a race must be the same to the bit whatever the number of cars. Letters in shapes: E cars.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.sim.car import SPEED_STEP_MPS, TICK_S, CarConstants
from btr_tm.sim.road import Road, RoadPoint

CONTACT_M = 0.02  # the road holds the car up to this height; gravity moves it 3 mm per tick
REACH_M = 1.0  # deeper than this below the road the car has fallen into a gap and nothing carries it
PIT_M = 8.0  # depth of a gap
PIT_DRAG_PER_S = 3.0


class Body(NamedTuple):
    """The moving part of a car's state."""

    position: Tensor  # (3, E) world, m
    velocity: Tensor  # (3, E) m/s
    forward: Tensor  # (3, E) unit
    up: Tensor  # (3, E) follows the road's normal; unit up to 1 %
    s_m: Tensor  # (E,) arc length, grows over laps
    d_m: Tensor  # offset to the right of the centreline
    height_m: Tensor  # above the ribbon
    s_rate: Tensor  # m/s along the ribbon
    steer: Tensor  # -1 full left to 1 full right
    yaw_rate: Tensor  # rad/s, to the right
    gear: Tensor
    shift_s: Tensor  # time left of a gear change
    damper_m: Tensor  # compression
    damper_mps: Tensor
    slip: Tensor  # 0 grip to 1 fully sliding
    contact: Tensor  # 1 on the ground, 0 in the air
    brake: Tensor  # 1 while the brake is held


class Keys(NamedTuple):
    """What the driver holds during one tick."""

    gas: Tensor  # (E,) 0 or 1
    brake: Tensor
    steer: Tensor  # -1 left, 0, 1 right


class Tables(NamedTuple):
    """The constants of a world as tensors on its device."""

    road: Road
    curves: Tensor  # (rows, 8), see car.sample_curves
    grass: Tensor  # (4, 1), see road.grass_tyre
    gravity: Tensor  # (3, 1) change of velocity per tick in the air


class Motion(NamedTuple):
    """Velocity (m/s) and nose (unit vector) of a car along the road's tangent, right and up, each (E,)."""

    ahead: Tensor
    aside: Tensor
    rise: Tensor
    nose_ahead: Tensor
    nose_aside: Tensor
    nose_rise: Tensor


class Touch(NamedTuple):
    """Where the car meets ground and wall."""

    contact: Tensor  # (E,) 1 on the ground
    scrape: Tensor  # (E,) 1 against a wall
    lift: Tensor  # (E,) m up, out of the ground
    push: Tensor  # (E,) m to the right, out of the wall
    impact: Tensor  # (E,) m/s of sinking stopped by the ground


def tick(body: Body, keys: Keys, tables: Tables, car: CarConstants) -> Body:
    """Moves every car by one tick: fly, meet ground and wall, then roll."""
    pull = body.contact * (car.gravity_ground / car.gravity_air - 1) + 1
    velocity = body.velocity + tables.gravity * pull
    position = torch.add(body.position, velocity, alpha=TICK_S)
    s = torch.add(body.s_m, body.s_rate, alpha=TICK_S)
    here = tables.road.at(s)
    vectors = torch.stack([position - here.centre, velocity, body.forward])
    local = (here.axes * vectors.unsqueeze(1)).sum(2)  # (vector, axis, E)
    along, d, height = local[0].unbind(0)

    motion, touch = meet(Motion(*local[1:].flatten(0, 1).unbind(0)), d, height, here, car)
    d, height = d + touch.push, height + touch.lift
    tyre = tables.grass + here.tyre * road_share(d, here.half_width_m, car)
    motion, driven = roll(motion, touch, body, keys, tyre, tables.curves, car)

    after = torch.stack([torch.zeros_like(d), touch.push, touch.lift, *motion]).unflatten(0, (3, 3))
    change = torch.cat([after[:1], after[1:] - local[1:]])
    shift, gain, turn = (here.axes * change.unsqueeze(2)).sum(1).unbind(0)
    forward = body.forward + turn
    stretch = (1 - (here.bend * torch.stack([d, height])).sum(0)).clamp(min=0.2)
    damper_m, damper_mps = _damp(body, touch.impact, car)
    return driven._replace(
        position=position + shift,
        velocity=velocity + gain,
        forward=forward * (forward * forward).sum(0).rsqrt(),
        up=body.up + (here.axes[2] - body.up) * (0.3 * touch.contact),
        s_m=s + along / stretch,
        d_m=d,
        height_m=height,
        s_rate=motion.ahead / stretch,
        damper_m=damper_m,
        damper_mps=damper_mps,
        contact=touch.contact,
    )


def road_share(d: Tensor, half_width_m: Tensor, car: CarConstants) -> Tensor:
    """Share of the car's width that stands on the road, 0 to 1."""
    return ((half_width_m - d.abs()) * (0.5 / car.half_track_m) + 0.5).clamp(0, 1)


def meet(
    motion: Motion, d: Tensor, height: Tensor, here: RoadPoint, car: CarConstants
) -> tuple[Motion, Touch]:
    """Stops what moves into the ground or the wall; slows what flies.

    The wall takes speed in proportion to the hit and turns the nose along itself while the car scrapes by;
    a car that stands with its nose to the wall is not turned and has to reverse.
    """
    contact = ((height < CONTACT_M) & (height > -REACH_M) & (here.road > 0.5)).float()
    fallen = (height < -REACH_M).float()
    impact = contact * (-motion.rise).clamp(min=0)
    lift = contact * (-height).clamp(min=0) + (-PIT_M - height).clamp(min=0)
    keep = 1 - TICK_S * (car.air_drag_per_s * (1 - contact) + PIT_DRAG_PER_S * fallen)

    side = d.sign()
    reach = d.abs() + motion.nose_ahead.abs() * car.half_width_m + motion.nose_aside.abs() * car.half_length_m
    over = (reach - here.wall_m).clamp(min=0)
    scrape = over.sign()
    hit = (motion.aside * side).clamp(min=0) * scrape
    loss = hit * car.wall_friction
    nose_out = (motion.nose_aside * side).clamp(min=0)
    align = side * nose_out * scrape * motion.ahead.abs() * (car.wall_align_per_m * TICK_S)
    met = Motion(
        (motion.ahead - motion.ahead.clamp(-loss, loss)) * keep,
        (motion.aside - side * hit * (1 + car.wall_bounce)) * keep,
        (motion.rise + impact) * keep,
        motion.nose_ahead,
        motion.nose_aside - align,
        motion.nose_rise * (1 - 0.3 * contact),
    )
    return met, Touch(contact, scrape, lift, -side * over, impact)


def roll(
    motion: Motion, touch: Touch, body: Body, keys: Keys, tyre: Tensor, curves: Tensor, car: CarConstants
) -> tuple[Motion, Body]:
    """Engine, brake, steering and the tyres' grip; nothing but the yaw goes on in the air.

    The tyres cancel sideways speed up to a limit. What is left is slip, and the more slip, the lower the
    limit: a slide goes on until the driver steers less or slower.
    """
    nose, flank = motion.nose_ahead, motion.nose_aside
    ahead = motion.ahead * nose + motion.aside * flank
    aside = motion.aside * nose - motion.ahead * flank
    speed = ahead.abs()
    grip, resistance, drag, boost = tyre.unbind(0)
    row = (speed * (1 / SPEED_STEP_MPS)).long().clamp(max=curves.shape[0] - 1)
    engine, reverse, brake, limit, brake_loss, bend, gear_up, gear_down = (
        curves.index_select(0, row).t().unbind(0)
    )
    gear = torch.minimum(torch.maximum(body.gear, gear_up), gear_down)
    shift_s = torch.where(gear == body.gear, (body.shift_s - TICK_S).clamp(min=0), car.shift_s)

    forwards = ahead > 0
    braking = torch.where(forwards, keys.brake, keys.gas)
    backing = torch.where(forwards, 0.0, keys.brake * (1 - keys.gas))
    thrust = (keys.gas * engine - backing * reverse) * (1 - (1 - car.shift_thrust) * shift_s.sign()) + boost
    brake_limit = car.brake_limit - (car.brake_limit - car.slide_brake_limit) * body.slip
    slowing = resistance + drag * speed + torch.minimum(brake * braking, brake_limit) * grip
    push = touch.contact * TICK_S
    slowed = push * slowing
    gain = push * thrust - ahead.clamp(-slowed, slowed)

    hold = (limit - brake_loss * braking) * grip * (1 - (1 - car.slide_grip) * body.slip)
    held = push * hold * (1 - (1 - car.wall_grip) * touch.scrape)
    grab = -aside.clamp(-held, held)
    left_over = aside + grab
    slip = touch.contact * (left_over.abs() * (1 / car.slide_mps)).clamp(max=1)

    most = car.steer_rate_per_s * TICK_S
    steer = body.steer + (keys.steer - body.steer).clamp(-most, most)
    aligning = car.align_per_s * left_over / (speed + left_over.abs() + 1)
    yaw_rate = body.yaw_rate + touch.contact * (steer * bend * ahead + aligning - body.yaw_rate)
    turn = yaw_rate * TICK_S
    rolled = Motion(
        motion.ahead + gain * nose - grab * flank,
        motion.aside + gain * flank + grab * nose,
        motion.rise,
        nose - turn * flank,
        flank + turn * nose,
        motion.nose_rise,
    )
    driven = body._replace(
        steer=steer, yaw_rate=yaw_rate, gear=gear, shift_s=shift_s, slip=slip, brake=keys.brake
    )
    return rolled, driven


def _damp(body: Body, impact: Tensor, car: CarConstants) -> tuple[Tensor, Tensor]:
    """Compression and its speed: a damped spring pressed in by what the ground stops."""
    force = car.damper_stiffness_per_s2 * body.damper_m + car.damper_damping_per_s * body.damper_mps
    speed = torch.add(body.damper_mps + impact, force, alpha=-TICK_S)
    return torch.add(body.damper_m, speed, alpha=TICK_S).clamp(0, car.damper_max_m), speed
