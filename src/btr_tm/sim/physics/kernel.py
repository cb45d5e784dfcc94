"""The physics as one loop over cars and ticks, compiled by Numba: the numbers of `dynamics.tick`, to the bit.

`dynamics` is the reference and the place to read what a formula means; functions here have the names of
those there. Every operation is the float32 one that torch does, in the same order: sums begin with +0, as
torch's do, and `torch.add` with alpha is a fused multiply-add.

Letters in shapes: E cars, K ticks of a decision, Q ticks of delay, G gates, A actions of a decision (1 or K).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from btr_tm.core.kernels import (
    ONE,
    ZERO,
    Floats,
    Integers,
    Number,
    Vector,
    clamp,
    kernel,
    multiply_add,
    part,
    positive,
    sum2,
    sum3,
)
from btr_tm.race.actions_kernel import held_keys

# Columns of SimState.floats: the fields of dynamics.Body
POSITION, VELOCITY, FORWARD, UP = 0, 3, 6, 9
S, D, HEIGHT, S_RATE, STEER, YAW_RATE, GEAR, SHIFT, DAMPER, DAMPER_SPEED, SLIP, CONTACT, BRAKE = range(12, 25)
# Columns of Road.table: the fields of RoadPoint after the arc length; as many differences follow
CENTRE, AXES, BEND, HALF_WIDTH, WALL, FLOOR, TYRE, COLUMNS = 0, 3, 12, 14, 15, 16, 17, 21
# Columns of TickConstants.curves: the fields of Curves
THRUST, REVERSE_THRUST, CURVE_BRAKE, GRIP, BRAKE_LOSS, LOCK, GEAR_UP, GEAR_DOWN = range(8)
# Columns of SimState.counters
TICK, FINISH, GATE, HOLD = range(4)


@part
def _sign(x: Number) -> Number:
    return ONE if x > ZERO else -ONE if x < ZERO else ZERO


@part
def _index(where: Number, rows: Floats) -> int:
    """The row of a position among `rows`; inside them even where a state is not a number."""
    row = int(where)
    return 0 if row < 0 else len(rows) - 1 if row >= len(rows) else row


@part
def _to_road(here: Floats, x: Number, y: Number, z: Number) -> Vector:
    """World axes to the road's: along, right and up."""
    return (
        sum3(here[AXES] * x, here[AXES + 1] * y, here[AXES + 2] * z),
        sum3(here[AXES + 3] * x, here[AXES + 4] * y, here[AXES + 5] * z),
        sum3(here[AXES + 6] * x, here[AXES + 7] * y, here[AXES + 8] * z),
    )


@part
def _to_world(here: Floats, along: Number, right: Number, up: Number) -> Vector:
    """The road's axes to the world's."""
    return (
        sum3(here[AXES] * along, here[AXES + 3] * right, here[AXES + 6] * up),
        sum3(here[AXES + 1] * along, here[AXES + 4] * right, here[AXES + 7] * up),
        sum3(here[AXES + 2] * along, here[AXES + 5] * right, here[AXES + 8] * up),
    )


@part
def _road_at(s_m: Number, table: Floats, closed: bool, k: np.record, here: Floats) -> Number:
    """Writes the road at `s_m` to `here` (21,); gives `s_m`, on an open road no farther than its ends."""
    if closed:
        where = np.fmod(s_m * k.per_metre, k.last)
        if where < ZERO:
            where += k.last
    else:
        s_m = clamp(s_m, k.first_m, k.last_m)
        where = s_m * k.per_metre
    row = table[_index(where, table)]
    share = where - np.trunc(where)
    for column in range(COLUMNS):
        here[column] = row[column] + row[COLUMNS + column] * share
    return s_m


@part
def _meet(
    place: Vector, velocity: Vector, nose: Vector, here: Floats, k: np.record
) -> tuple[Vector, Vector, Number, Number, Number, Number, Number]:
    """Velocity and nose after ground and wall, then contact, wall, offset, height and impact."""
    _, d, height = place
    ahead, aside, rise = velocity
    along, flank, pitch = nose
    depth = -height
    carried = height < k.contact_m and height > here[FLOOR]
    contact = ONE if carried else ZERO
    keep = ONE if carried else k.pit_keep if depth > k.reach_m else k.air_keep
    impact = positive(-rise) * contact
    lift = positive(depth) * contact + positive(depth - k.pit_m)

    room = here[WALL] - sum2(abs(along) * k.half_width_m, abs(flank) * k.half_length_m)
    inside = clamp(d, -room, room)
    wall = _sign(d - inside)
    hit = positive(aside * wall)
    loss = hit * k.wall_friction
    turned = positive(flank * wall) * wall * abs(ahead) * k.wall_align
    met = (
        (ahead - clamp(ahead, -loss, loss)) * keep,
        (aside - hit * wall * k.wall_bounce) * keep,
        (rise + impact) * keep,
    )
    turned_nose = (along, flank - turned, pitch - pitch * contact * k.settle)
    return met, turned_nose, contact, wall, inside, height + lift, impact


@part
def _shift(car: Floats, curve: Floats, k: np.record) -> tuple[Number, Number]:
    """The gear and the time left of its change."""
    gear = car[GEAR]
    gear = curve[GEAR_UP] if gear < curve[GEAR_UP] else gear
    gear = curve[GEAR_DOWN] if gear > curve[GEAR_DOWN] else gear
    return gear, positive(car[SHIFT] - k.tick_s) if gear == car[GEAR] else k.shift_s


@part
def _thrust(
    gas: Number, brake: Number, forwards: np.bool_, shift_s: Number, curve: Floats, k: np.record
) -> Number:
    backing = ZERO if forwards else brake - brake * gas
    thrust = gas * curve[THRUST] - backing * curve[REVERSE_THRUST]
    return thrust * k.shift_thrust if shift_s > ZERO else thrust


@part
def _damp(car: Floats, impact: Number, k: np.record) -> None:
    """Writes compression and its speed."""
    force = k.stiffness * car[DAMPER] + k.damping * car[DAMPER_SPEED]
    speed = car[DAMPER_SPEED] + impact - force
    car[DAMPER] = clamp(multiply_add(speed, k.tick_s, car[DAMPER]), ZERO, k.damper_max_m)
    car[DAMPER_SPEED] = speed


@part
def _tyre(here: Floats, d_m: Number, contact: Number, k: np.record) -> tuple[Number, Number, Number, Number]:
    """Grip, resistance, drag and boost under a car that stands `d_m` to the right."""
    share = clamp((here[HALF_WIDTH] - abs(d_m)) * k.half_per_track + k.half, ZERO, ONE)
    return (
        (k.grass_grip + here[TYRE] * share) * contact,
        (k.grass_resistance + here[TYRE + 1] * share) * contact,
        (k.grass_drag + here[TYRE + 2] * share) * contact,
        (k.grass_boost + here[TYRE + 3] * share) * contact,
    )


@part
def _roll(
    car: Floats,
    keys: Vector,
    motion: Vector,
    along: Number,
    flank: Number,
    touch: tuple[Number, Number],
    tyre: tuple[Number, Number, Number, Number],
    curves: Floats,
    k: np.record,
) -> tuple[Number, Number, Number, Number]:
    """Velocity and nose in the road's plane after engine, brake, steering and tyres; writes the rest."""
    gas, brake, steering = keys
    contact, wall = touch
    grip, resistance, drag, boost = tyre
    ahead = sum2(motion[0] * along, motion[1] * flank)
    aside = sum2(motion[0] * -flank, motion[1] * along)
    speed = abs(ahead)
    curve = curves[_index(speed * k.rows_per_mps, curves)]
    gear, shift_s = _shift(car, curve, k)

    forwards = ahead > ZERO
    braking = brake if forwards else gas
    thrust = _thrust(gas, brake, forwards, shift_s, curve, k)
    most = k.brake_limit - k.brake_limit_lost * car[SLIP]
    braked = curve[CURVE_BRAKE] * braking
    braked = most if braked > most else braked
    slowing = resistance + drag * speed + braked * grip
    gain = thrust * contact + boost - clamp(ahead, -slowing, slowing)

    hold = (curve[GRIP] - curve[BRAKE_LOSS] * braking) * (ONE - k.slide_grip_lost * car[SLIP])
    hold = hold * grip * (ONE - k.wall_grip_lost * abs(wall))
    caught = clamp(aside, -hold, hold)
    drift = aside - caught
    sideways = abs(drift)
    slip = sideways * k.slip_per_mps
    slip = (ONE if slip > ONE else slip) * contact

    steer = car[STEER] + clamp(steering - car[STEER], -k.steer_most, k.steer_most)
    yaw_rate = steer * curve[LOCK] * ahead + k.align * drift / (speed + sideways + ONE)
    yaw_rate = car[YAW_RATE] + (yaw_rate - car[YAW_RATE]) * contact
    turn = yaw_rate * k.tick_s
    car[STEER], car[YAW_RATE], car[GEAR], car[SHIFT] = steer, yaw_rate, gear, shift_s
    car[SLIP], car[BRAKE] = slip, brake
    return (
        motion[0] + (along * gain - -flank * caught),
        motion[1] + (flank * gain - along * caught),
        along + -flank * turn,
        flank + along * turn,
    )


@part
def _tick(
    car: Floats, keys: Vector, table: Floats, closed: bool, curves: Floats, k: np.record, here: Floats
) -> None:
    """Moves one car (25,) by one tick."""
    velocity = (
        car[VELOCITY] + ZERO,
        car[VELOCITY + 1] + (k.fall + k.cling * car[CONTACT]),
        car[VELOCITY + 2] + ZERO,
    )
    x = multiply_add(velocity[0], k.tick_s, car[POSITION])
    y = multiply_add(velocity[1], k.tick_s, car[POSITION + 1])
    z = multiply_add(velocity[2], k.tick_s, car[POSITION + 2])
    s_m = _road_at(multiply_add(car[S_RATE], k.tick_s, car[S]), table, closed, k, here)
    place = _to_road(here, x - here[CENTRE], y - here[CENTRE + 1], z - here[CENTRE + 2])
    moving = _to_road(here, velocity[0], velocity[1], velocity[2])
    nose = _to_road(here, car[FORWARD], car[FORWARD + 1], car[FORWARD + 2])

    motion, (along, flank, pitch), contact, wall, d_m, height_m, impact = _meet(place, moving, nose, here, k)
    tyre = _tyre(here, d_m, contact, k)
    ahead, aside, along, flank = _roll(car, keys, motion, along, flank, (contact, wall), tyre, curves, k)
    _damp(car, impact, k)

    shift = _to_world(here, place[0] - place[0], d_m - place[1], height_m - place[2])
    gain = _to_world(here, ahead - moving[0], aside - moving[1], motion[2] - moving[2])
    turn = _to_world(here, along - nose[0], flank - nose[1], pitch - nose[2])
    stretch = ONE - sum2(here[BEND] * d_m, here[BEND + 1] * height_m)
    stretch = k.least_stretch if stretch < k.least_stretch else stretch
    car[POSITION], car[POSITION + 1], car[POSITION + 2] = x + shift[0], y + shift[1], z + shift[2]
    for axis in range(3):
        car[VELOCITY + axis] = velocity[axis] + gain[axis]
        car[FORWARD + axis] = car[FORWARD + axis] + turn[axis]
        car[UP + axis] = here[AXES + 6 + axis]
    forward = (car[FORWARD], car[FORWARD + 1], car[FORWARD + 2])
    square = sum3(forward[0] * forward[0], forward[1] * forward[1], forward[2] * forward[2])
    shorter = ONE / np.sqrt(square)
    for axis in range(3):
        car[FORWARD + axis] = forward[axis] * shorter
    car[S], car[D], car[HEIGHT] = s_m + place[0] / stretch, d_m, height_m
    car[S_RATE], car[CONTACT] = ahead / stretch, contact


@part
def _keys(action: int) -> Vector:
    """Gas, brake and steering of an action, as race.actions.keys has them."""
    gas, brake, left, right = held_keys(action)
    return gas, brake, right - left


class Course(NamedTuple):
    """What moves the cars: the keys of a held car, the road and the car."""

    no_keys: int
    table: Floats  # (S, 42)
    closed: bool
    curves: Floats  # (rows, 8)
    gates_m: Floats  # (G,)
    constants: np.ndarray  # (1,) record of numbers


class Scratch(NamedTuple):
    """Memory for one car: kernels take none themselves, and so need not count who uses which array."""

    here: Floats  # (21,) the road at a place
    arriving: Integers  # (Q + K,) actions


def scratch(delay_ticks: int, ticks: int) -> Scratch:
    """For decisions of so many ticks."""
    return Scratch(np.empty(COLUMNS, np.float32), np.empty(delay_ticks + ticks, np.int64))


@part
def drive_car(
    car: Floats,
    counter: Integers,
    queue: Integers,
    actions: Integers,
    ticks: int,
    course: Course,
    scratch: Scratch,
) -> None:
    """Moves one car by a decision: car (25,), counter (4,), queue (Q,), actions (A,)."""
    k = course.constants[0]
    here, arriving, delay = scratch.here, scratch.arriving, 0
    while delay < len(queue) and queue[delay] >= 0:  # after that, NO_ACTION
        arriving[delay] = queue[delay]
        delay += 1
    for tick in range(ticks):
        arriving[delay + tick] = actions[min(tick, len(actions) - 1)]
    first, furthest = ticks + 1, -np.float32(np.inf)
    for tick in range(ticks):
        held = counter[TICK] + tick < counter[HOLD]
        keys = _keys(course.no_keys if held else arriving[tick])
        _tick(car, keys, course.table, course.closed, course.curves, k, here)
        if car[HEIGHT] > -k.reach_m:
            furthest = car[S] if car[S] > furthest else furthest
            if first > ticks and car[S] >= course.gates_m[-1]:
                first = tick + 1
    for q in range(delay):
        queue[q] = arriving[ticks + q]
    passed = 0
    for gate_m in course.gates_m:
        passed += furthest >= gate_m
    if counter[FINISH] < 0 and first <= ticks:
        counter[FINISH] = counter[TICK] + first
    counter[TICK] += ticks
    counter[GATE] = max(counter[GATE], passed)


@kernel
def drive(
    floats: Floats,
    counters: Integers,
    queue: Integers,
    actions: Integers,
    ticks: int,
    course: Course,
    scratch: Scratch,
) -> None:
    """Moves all cars by one decision, in place.

    floats (E, 25) float32, counters (E, 4) int64 and queue (E, Q) int64 are those of SimState; actions (E, A)
    int64.
    """
    for e in range(len(floats)):
        drive_car(floats[e], counters[e], queue[e], actions[e], ticks, course, scratch)
