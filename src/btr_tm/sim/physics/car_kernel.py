"""What a car reports about itself as one loop over cars: the numbers of `car_state`, to the bit.

`car_state` and `track.ribbon.at` are the reference; functions here have the names of those there.

Letters in shapes: E cars, S stations, J gears that can be raised, W = 4 wheels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from btr_tm.core.kernels import (
    HALF,
    ONE,
    ZERO,
    Floats,
    Integers,
    Number,
    Vector,
    clamp,
    cross,
    dot,
    kernel,
    lerp,
    part,
    positive,
)  # fmt: skip
from btr_tm.race.car_arrays import CarArrays
from btr_tm.sim import pose
from btr_tm.sim.physics import kernel as body

# Columns of the road's stations
TANGENT, UP, HALF_WIDTH, ROAD, COLUMNS = 0, 3, 6, 7, 8


@part
def _vector(row: Floats, column: int) -> Vector:
    return row[column], row[column + 1], row[column + 2]


@part
def _scaled(a: Vector, by: Number) -> Vector:
    return a[0] * by, a[1] * by, a[2] * by


@part
def _unit(a: Vector) -> Vector:
    length = np.sqrt(dot(a, a))
    return a[0] / length, a[1] / length, a[2] / length


@part
def axes(car: Floats) -> tuple[Vector, Vector, Vector]:
    """Left, up and forward of a car."""
    forward = _vector(car, body.FORWARD)
    left = cross(_vector(car, body.UP), forward)
    left = _scaled(left, ONE / np.sqrt(dot(left, left)))
    return left, cross(forward, left), forward


@part
def _neighbours(s_m: Number, stations: int, closed: bool, spacing_m: Number) -> tuple[int, int, Number]:
    position = s_m / spacing_m
    count = np.float32(stations)
    if closed:
        position = np.fmod(position, count)
        if position < ZERO:
            position += count
        whole = np.floor(position)
        below = int(whole) % stations
        return below, (below + 1) % stations, position - whole
    position = clamp(position, ZERO, count - ONE)
    below = min(max(int(position), 0), stations - 2)
    return below, below + 1, position - np.float32(below)


@part
def _mixed(a: Floats, b: Floats, column: int, share: Number) -> Vector:
    return (
        lerp(a[column], b[column], share),
        lerp(a[column + 1], b[column + 1], share),
        lerp(a[column + 2], b[column + 2], share),
    )


@part
def _rpm(speed: Number, gear: Number, shift_s: Number, top_mps: Floats, k: np.record) -> Number:
    top = top_mps[-1]
    for number in range(len(top_mps) - 2, -1, -1):
        if gear <= np.float32(number + 1):
            top = top_mps[number]
    share = speed / top
    settled = k.idle_rpm + k.rpm_range * (ONE if share > ONE else share)
    return settled * (ONE - k.rpm_lost * (shift_s * k.per_shift_s))


class Reading(NamedTuple):
    """What the instruments know of the road and the car."""

    stations: Floats  # (S, 8)
    materials: Integers  # (S,)
    closed: bool
    top_mps: Floats  # (J + 1,) of the gears
    constants: np.ndarray  # (1,) record of numbers


@part
def read_car(car: Floats, e: int, reading: Reading, out: CarArrays) -> None:
    """Writes what car `e` (25,) reports."""
    k = reading.constants[0]
    below, above, share = _neighbours(car[body.S], len(reading.stations), reading.closed, k.spacing_m)
    low, high = reading.stations[below], reading.stations[above]
    tangent = _unit(_mixed(low, high, TANGENT, share))
    right = _unit(cross(tangent, _mixed(low, high, UP, share)))
    road_up = cross(right, tangent)
    half_width_m = lerp(low[HALF_WIDTH], high[HALF_WIDTH], share)
    nearest = below if share < HALF else above

    left, up, forward = axes(car)
    speed = dot(forward, _vector(car, body.VELOCITY))
    aside, ahead = dot(left, right), dot(forward, right)
    rise_left, rise_ahead = dot(left, road_up), dot(forward, road_up)
    ground = reading.stations[nearest, ROAD] > HALF and car[body.HEIGHT] > -k.reach_m
    sliding = ONE if car[body.SLIP] > k.sliding else ZERO
    yaw_rate = car[body.YAW_RATE]
    lean = k.roll_m * yaw_rate * speed * car[body.CONTACT]
    for axis in range(3):
        out.position[e, axis] = car[body.POSITION + axis]
        out.velocity[e, axis] = car[body.VELOCITY + axis]
        out.rotation[e, axis, 0] = left[axis]
        out.rotation[e, axis, 1] = up[axis]
        out.rotation[e, axis, 2] = forward[axis]
        out.angular_velocity[e, axis] = up[axis] * -yaw_rate
    for wheel in range(4):
        x = k.axle_m if wheel < 2 else -k.axle_m
        y = k.half_track_m if wheel % 2 == 0 else -k.half_track_m
        d_m = car[body.D] + y * aside + x * ahead
        height_m = car[body.HEIGHT] + y * rise_left + x * rise_ahead
        near = height_m < k.near_m and ground
        material = reading.materials[nearest] if abs(d_m) < half_width_m else k.grass
        out.surface[e, wheel] = material if near else k.other
        out.wheel_contact[e, wheel] = ONE if near else ZERO
        out.wheel_sliding[e, wheel] = sliding if near else ZERO
        out.damper_m[e, wheel] = positive(car[body.DAMPER] + (lean if wheel % 2 == 0 else -lean))
    out.gearbox_state[e] = ONE if car[body.SHIFT] > ZERO else ZERO
    out.gear[e] = ZERO if speed < k.backing_mps else car[body.GEAR]
    out.rpm[e] = _rpm(abs(speed), car[body.GEAR], car[body.SHIFT], reading.top_mps, k)


@kernel
def read(floats: Floats, reading: Reading, out: CarArrays) -> None:
    """Writes what the cars (E, 25) report."""
    for e in range(len(floats)):
        read_car(floats[e], e, reading, out)


@part
def stand_car(car: Floats, out: Floats) -> None:
    """Writes how the car (25,) stands, as `pose.pack` has it: (18,)."""
    _, up, forward = axes(car)
    for axis in range(3):
        out[pose.POSITION + axis] = car[body.POSITION + axis]
        out[pose.VELOCITY + axis] = car[body.VELOCITY + axis]
        out[pose.UP + axis], out[pose.FORWARD + axis] = up[axis], forward[axis]
    out[pose.S], out[pose.D], out[pose.HEIGHT] = car[body.S], car[body.D], car[body.HEIGHT]
    out[pose.DAMPER], out[pose.STEER], out[pose.BRAKE] = car[body.DAMPER], car[body.STEER], car[body.BRAKE]
