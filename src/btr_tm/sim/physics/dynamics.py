"""One tick (10 ms) of car physics: pure functions over cars in the last axis.

Written for few tensor operations. No sin, atan2, pow or matrix product: their vectorised tails may differ
by slot, and a race must be the same to the bit whatever the number of cars. Letters in shapes: E cars.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.sim.physics.constants import TICK_S, Curves, TickConstants
from btr_tm.sim.physics.road import REACH_M, Road, RoadPoint

CONTACT_M = 0.02  # the road holds the car up to this height; gravity moves it 3 mm per tick
PIT_M = 8.0  # depth of a gap
LEAST_STRETCH = 0.2  # for a car near, or beyond, the centre of its bend
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


class Flight(NamedTuple):
    """Where the cars would be after a tick that meets neither ground nor wall."""

    position: Tensor  # (3, E) world
    velocity: Tensor  # (3, E)
    here: RoadPoint
    local: Tensor  # (3, 3, E): place from `here`, velocity and nose along the road's axes


def tick(body: Body, keys: Keys, road: Road, k: TickConstants) -> Body:
    """Moves every car by one tick: fly, meet ground and wall, then roll."""
    position, velocity, here, local = fly(body, road, k)
    motion, touch = meet(local, here, k)
    tyre = (k.grass + here.tyre * road_share(touch.d_m, here.half_width_m, k)) * touch.contact
    motion, driven = roll(motion, touch, body, keys, tyre, k)

    along = local[0, 0]
    place = torch.stack([along, touch.d_m, touch.height_m])
    rolled = torch.cat([place, motion.velocity, motion.rise[None], motion.nose, motion.pitch[None]])
    # Back to world axes goes what changed, not the whole: the road's axes are unit only to 2e-4, and a car in
    # free flight, which nothing changes, must not pick up that error.
    change = (rolled.unflatten(0, (3, 3)) - local).unsqueeze(2)
    shift, gain, turn = (here.axes * change).sum(1).unbind(0)
    forward = body.forward + turn
    # On the inside of a bend a metre of driving passes more than a metre of the centreline.
    stretch = (k.one - (here.bend * place[1:]).sum(0)).clamp(min=LEAST_STRETCH)
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


def fly(body: Body, road: Road, k: TickConstants) -> Flight:
    """The first part of a tick."""
    # Velocity first, then position with the new velocity (semi-implicit Euler): stable at this step.
    velocity = body.velocity + (k.fall + k.cling * body.contact)
    position = torch.add(body.position, velocity, alpha=TICK_S)
    # The road is looked up where the arc length was going; local[0, 0] is how far the car is from there.
    here = road.at(torch.add(body.s_m, body.s_rate, alpha=TICK_S))
    # From world axes to the road's (tangent, right, up): contact, walls and tyres are simple there.
    vectors = torch.stack([position - here.centre, velocity, body.forward])
    local = (here.axes * vectors.unsqueeze(1)).sum(2)  # (vector, axis, E)
    return Flight(position, velocity, here, local)


Tick = Callable[[Body, Keys], Body]


def eager_tick(road: Road, k: TickConstants) -> Tick:
    """`tick` on one road."""
    return partial(tick, road=road, k=k)


def compiled_tick(road: Road, k: TickConstants) -> Tick:
    """The same as a region that torch.compile translates once, however many ticks a decision has."""

    @torch.compiler.nested_compile_region
    def rows_after(rows: Tensor, keys: Tensor) -> Tensor:
        return to_rows(tick(from_rows(rows), Keys(*keys.unbind(0)), road, k))

    return lambda body, keys: from_rows(rows_after(to_rows(body), torch.stack(keys)))


def to_rows(body: Body) -> Tensor:
    """The fields of `body` as rows, (25, E)."""
    return torch.cat([*body[:VECTORS], torch.stack(body[VECTORS:])])


def from_rows(rows: Tensor) -> Body:
    """The inverse of `to_rows`: views, no copies."""
    vectors = rows[: 3 * VECTORS].unflatten(0, (VECTORS, 3)).unbind(0)
    return Body(*vectors, *rows[3 * VECTORS :].unbind(0))


def road_share(d_m: Tensor, half_width_m: Tensor, k: TickConstants) -> Tensor:
    """Share of the car's width that stands on the road, 0 to 1."""
    return ((half_width_m - d_m.abs()) * k.half_per_track + k.half).clamp(k.zero, k.one)


def meet(local: Tensor, here: RoadPoint, k: TickConstants) -> tuple[Motion, Touch]:
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
    impact = torch.relu(-rise) * contact  # sinking stops at once, without a bounce: dampers only show it
    # The ground lifts the car out of itself; the bottom of a gap does so even where nothing carries.
    lift = torch.relu(depth) * contact + torch.relu(depth - PIT_M)
    keep = torch.where(carried, k.one, torch.where(depth > REACH_M, k.pit_keep, k.air_keep))

    # The car is a rectangle: the more it stands across, the more room its half length takes.
    room = here.wall_m - (local[2, :2].abs() * k.extent).sum(0)
    inside = d.clamp(-room, room)
    wall = (d - inside).sign()
    hit = torch.relu(aside * wall)  # speed into the wall; 0 for a car that already leaves it
    loss = hit * k.wall_friction
    turned = torch.relu(flank * wall) * wall * ahead.abs() * k.wall_align
    # Friction may stop the car, never push it back.
    stopped = torch.stack([ahead.clamp(-loss, loss), hit * wall * k.wall_bounce])
    met = Motion(
        (local[1, :2] - stopped) * keep,
        (rise + impact) * keep,
        torch.stack([nose, flank - turned]),
        pitch - pitch * contact * k.settle,
    )
    return met, Touch(contact, wall, inside, height + lift, impact)


def roll(
    motion: Motion, touch: Touch, body: Body, keys: Keys, tyre: Tensor, k: TickConstants
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
    curves = Curves(*k.curves.index_select(0, row).t().unbind(0))
    gear, shift_s = _shift(body, curves, k)

    forwards = ahead > k.zero
    braking = torch.where(forwards, keys.brake, keys.gas)  # while rolling back, gas brakes
    thrust = _thrust(keys, forwards, shift_s, curves, k)
    grip, resistance, drag, boost = tyre.unbind(0)
    brake = torch.minimum(curves.brake * braking, k.brake_limit - k.brake_limit_lost * body.slip)
    slowing = resistance + drag * speed + brake * grip
    gain = thrust * touch.contact + boost - ahead.clamp(-slowing, slowing)  # never turned back by slowing

    hold = (curves.grip - curves.brake_loss * braking) * (k.one - k.slide_grip_lost * body.slip)
    hold = hold * grip * (k.one - k.wall_grip_lost * touch.wall.abs())
    caught = aside.clamp(-hold, hold)
    drift = aside - caught
    sideways = drift.abs()
    slip = torch.minimum(sideways * k.slip_per_mps, k.one) * touch.contact

    steer = body.steer + (keys.steer - body.steer).clamp(-k.steer_most, k.steer_most)
    # Second term: sliding tyres turn the nose towards where the car goes; it fades at walking pace.
    yaw_rate = steer * curves.bend * ahead + k.align * drift / (speed + sideways + k.one)
    yaw_rate = body.yaw_rate + (yaw_rate - body.yaw_rate) * touch.contact  # in the air it stays
    rolled = motion._replace(
        velocity=motion.velocity + (motion.nose * gain - side * caught),
        nose=motion.nose + side * (yaw_rate * k.tick_s),  # small angle; `tick` restores the unit length
    )
    damper_m, damper_mps = _damp(body, touch.impact, k)
    driven = body._replace(
        steer=steer, yaw_rate=yaw_rate, gear=gear, shift_s=shift_s, damper_m=damper_m, damper_mps=damper_mps,
        slip=slip, brake=keys.brake,
    )  # fmt: skip
    return rolled, driven


def _thrust(keys: Keys, forwards: Tensor, shift_s: Tensor, curves: Curves, k: TickConstants) -> Tensor:
    """What the engine adds to the speed ahead, if the wheels touch the ground."""
    # Brake alone drives backwards, once the car no longer rolls ahead; with gas held too it does not.
    backing = torch.where(forwards, k.zero, keys.brake - keys.brake * keys.gas)
    thrust = keys.gas * curves.thrust - backing * curves.reverse_thrust
    return torch.where(shift_s > k.zero, thrust * k.shift_thrust, thrust)


def _shift(body: Body, curves: Curves, k: TickConstants) -> tuple[Tensor, Tensor]:
    """The gear and the time left of its change; a gear stays until a lower one fits with some reserve."""
    gear = torch.minimum(torch.maximum(body.gear, curves.gear_up), curves.gear_down)
    return gear, torch.where(gear == body.gear, torch.relu(body.shift_s - k.tick_s), k.shift_s)


def _damp(body: Body, impact: Tensor, k: TickConstants) -> tuple[Tensor, Tensor]:
    """Compression and its speed: a damped spring pressed in by what the ground stops."""
    force = k.stiffness * body.damper_m + k.damping * body.damper_mps
    speed = body.damper_mps + impact - force
    return torch.add(body.damper_m, speed, alpha=TICK_S).clamp(k.zero, k.damper_max_m), speed
