"""One tick (10 ms) of car physics: pure functions over cars in the last axis.

Written for few tensor operations. No sin, atan2, pow or matrix product: their vectorised tails may differ
by slot, and a race must be the same to the bit whatever the number of cars. Letters in shapes: E cars.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.sim.physics.constants import TICK_S, Figures
from btr_tm.sim.physics.road import REACH_M, Road, RoadPoint

CONTACT_M = 0.02  # the road holds the car up to this height; gravity moves it 3 mm per tick
PIT_M = 8.0  # depth of a gap
VECTORS = 4  # the first fields of Body have three columns each


class Body(NamedTuple):
    """The moving part of a car's state."""

    position: Tensor  # (3, E) world, m
    velocity: Tensor  # (3, E) m/s
    forward: Tensor  # (3, E) unit
    up: Tensor  # (3, E) normal of the road below
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


class Motion(NamedTuple):
    """Velocity (m/s) and nose (unit vector) of a car along the road's tangent, right and up."""

    velocity: Tensor  # (2, E) within the road's plane
    rise: Tensor  # (E,)
    nose: Tensor  # (2, E)
    pitch: Tensor  # (E,)


class Touch(NamedTuple):
    """Where the car meets ground and wall."""

    contact: Tensor  # (E,) 1 on the ground
    wall: Tensor  # (E,) 1 against the right wall, -1 against the left, else 0
    d_m: Tensor  # (E,) offset and
    height_m: Tensor  # (E,) height, out of wall and ground
    impact: Tensor  # (E,) m/s of sinking stopped by the ground


def tick(body: Body, keys: Keys, road: Road, k: Figures) -> Body:
    """Moves every car by one tick: fly, meet ground and wall, then roll."""
    velocity = body.velocity + (k.fall + k.cling * body.contact)
    position = torch.add(body.position, velocity, alpha=TICK_S)
    here = road.at(torch.add(body.s_m, body.s_rate, alpha=TICK_S))
    vectors = torch.stack([position - here.centre, velocity, body.forward])
    local = (here.axes * vectors.unsqueeze(1)).sum(2)  # (vector, axis, E)

    motion, touch = meet(local, here, k)
    tyre = (k.grass + here.tyre * road_share(touch.d_m, here.half_width_m, k)) * touch.contact
    motion, driven = roll(motion, touch, body, keys, tyre, k)

    along = local[0, 0]
    place = torch.stack([along, touch.d_m, touch.height_m])
    rolled = torch.cat([place, motion.velocity, motion.rise[None], motion.nose, motion.pitch[None]])
    change = (rolled.unflatten(0, (3, 3)) - local).unsqueeze(2)
    shift, gain, turn = (here.axes * change).sum(1).unbind(0)
    forward = body.forward + turn
    stretch = (k.one - (here.bend * place[1:]).sum(0)).clamp(min=0.2)
    return driven._replace(
        position=position + shift,
        velocity=velocity + gain,
        forward=forward * (forward * forward).sum(0).rsqrt(),
        up=here.axes[2],
        s_m=here.s_m + along / stretch,
        d_m=touch.d_m,
        height_m=touch.height_m,
        s_rate=motion.velocity[0] / stretch,
        contact=touch.contact,
    )


Ticking = Callable[[Body, Keys], Body]


def in_line(road: Road, k: Figures) -> Ticking:
    """`tick` on one road."""
    return lambda body, keys: tick(body, keys, road, k)


def as_region(road: Road, k: Figures) -> Ticking:
    """The same as a region that torch.compile translates once, however many ticks a decision has."""

    @torch.compiler.nested_compile_region
    def rows_after(rows: Tensor, keys: Tensor) -> Tensor:
        return side_by_side(tick(named(rows), Keys(*keys.unbind(0)), road, k))

    return lambda body, keys: named(rows_after(side_by_side(body), torch.stack(keys)))


def side_by_side(body: Body) -> Tensor:
    """The fields of `body` as rows, (25, E)."""
    return torch.cat([*body[:VECTORS], torch.stack(body[VECTORS:])])


def named(rows: Tensor) -> Body:
    """The inverse of `side_by_side`: views, no copies."""
    vectors = rows[: 3 * VECTORS].unflatten(0, (VECTORS, 3)).unbind(0)
    return Body(*vectors, *rows[3 * VECTORS :].unbind(0))


def road_share(d_m: Tensor, half_width_m: Tensor, k: Figures) -> Tensor:
    """Share of the car's width that stands on the road, 0 to 1."""
    return ((half_width_m - d_m.abs()) * k.half_per_track + k.half).clamp(k.zero, k.one)


def meet(local: Tensor, here: RoadPoint, k: Figures) -> tuple[Motion, Touch]:
    """Stops what moves into ground or wall; slows what flies. `local` (3, 3, E): place, velocity, nose.

    The wall takes speed in proportion to the hit and turns the nose along itself while the car scrapes by;
    a car that stands with its nose to the wall is not turned and has to reverse.
    """
    _, d, height = local[0].unbind(0)
    ahead, aside, rise = local[1].unbind(0)
    nose, flank, pitch = local[2].unbind(0)
    carried = (height < CONTACT_M) & (height > here.floor_m)
    contact = carried.float()
    depth = -height
    impact = torch.relu(-rise) * contact
    lift = torch.relu(depth) * contact + torch.relu(depth - PIT_M)
    keep = torch.where(carried, k.one, torch.where(depth > REACH_M, k.pit_keep, k.air_keep))

    room = here.wall_m - (local[2, :2].abs() * k.extent).sum(0)
    inside = d.clamp(-room, room)
    wall = (d - inside).sign()
    hit = torch.relu(aside * wall)
    loss = hit * k.wall_friction
    turned = torch.relu(flank * wall) * wall * ahead.abs() * k.wall_align
    stopped = torch.stack([ahead.clamp(-loss, loss), hit * wall * k.wall_bounce])
    met = Motion(
        (local[1, :2] - stopped) * keep,
        (rise + impact) * keep,
        torch.stack([nose, flank - turned]),
        pitch - pitch * contact * k.settle,
    )
    return met, Touch(contact, wall, inside, height + lift, impact)


def roll(
    motion: Motion, touch: Touch, body: Body, keys: Keys, tyre: Tensor, k: Figures
) -> tuple[Motion, Body]:
    """Engine, brake, steering and the tyres' grip; in the air (`tyre` all zero) the car only goes on yawing.

    The tyres cancel sideways speed up to a limit. What is left is slip, and the more slip, the lower the
    limit: a slide goes on until the driver steers less or slower.
    """
    nose, flank = motion.nose.unbind(0)
    side = torch.stack([-flank, nose])  # the car's right
    ahead = (motion.velocity * motion.nose).sum(0)
    aside = (motion.velocity * side).sum(0)
    speed = ahead.abs()
    row = torch.minimum((speed * k.rows_per_mps).long(), k.last_row)
    engine, reverse, brake, limit, brake_loss, bend, gear_up, gear_down = (
        k.curves.index_select(0, row).t().unbind(0)
    )
    gear, shift_s = _shift(body, gear_up, gear_down, k)

    forwards = ahead > k.zero
    braking = torch.where(forwards, keys.brake, keys.gas)
    backing = torch.where(forwards, k.zero, keys.brake - keys.brake * keys.gas)
    thrust = keys.gas * engine - backing * reverse
    thrust = torch.where(shift_s > k.zero, thrust * k.shift_thrust, thrust)
    grip, resistance, drag, boost = tyre.unbind(0)
    brake = torch.minimum(brake * braking, k.brake_limit - k.brake_limit_lost * body.slip)
    slowing = resistance + drag * speed + brake * grip
    gain = thrust * touch.contact + boost - ahead.clamp(-slowing, slowing)

    hold = (limit - brake_loss * braking) * (k.one - k.slide_grip_lost * body.slip)
    hold = hold * grip * (k.one - k.wall_grip_lost * touch.wall.abs())
    caught = aside.clamp(-hold, hold)
    drift = aside - caught
    sideways = drift.abs()
    slip = torch.minimum(sideways * k.slip_per_mps, k.one) * touch.contact

    steer = body.steer + (keys.steer - body.steer).clamp(-k.steer_most, k.steer_most)
    yaw_rate = steer * bend * ahead + k.align * drift / (speed + sideways + k.one)
    yaw_rate = body.yaw_rate + (yaw_rate - body.yaw_rate) * touch.contact
    rolled = motion._replace(
        velocity=motion.velocity + (motion.nose * gain - side * caught),
        nose=motion.nose + side * (yaw_rate * k.tick_s),
    )
    damper_m, damper_mps = _damp(body, touch.impact, k)
    driven = body._replace(
        steer=steer, yaw_rate=yaw_rate, gear=gear, shift_s=shift_s, damper_m=damper_m, damper_mps=damper_mps,
        slip=slip, brake=keys.brake,
    )  # fmt: skip
    return rolled, driven


def _shift(body: Body, gear_up: Tensor, gear_down: Tensor, k: Figures) -> tuple[Tensor, Tensor]:
    """The gear and the time left of its change; a gear stays until a lower one fits with some reserve."""
    gear = torch.minimum(torch.maximum(body.gear, gear_up), gear_down)
    return gear, torch.where(gear == body.gear, torch.relu(body.shift_s - k.tick_s), k.shift_s)


def _damp(body: Body, impact: Tensor, k: Figures) -> tuple[Tensor, Tensor]:
    """Compression and its speed: a damped spring pressed in by what the ground stops."""
    force = k.stiffness * body.damper_m + k.damping * body.damper_mps
    speed = body.damper_mps + impact - force
    return torch.add(body.damper_m, speed, alpha=TICK_S).clamp(k.zero, k.damper_max_m), speed
