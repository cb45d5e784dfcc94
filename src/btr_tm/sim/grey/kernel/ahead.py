"""Where the camera stands, and what lies ahead of it."""

from __future__ import annotations

import numpy as np

from btr_tm.core.kernels import ONE, ZERO, Floats, Integers, reordered_part
from btr_tm.sim.grey.kernel.layout import (
    ARC,
    CURVATURE,
    DROP,
    EYE_BACK_M,
    EYE_UP_M,
    GATE_FARTHEST_M,
    PAD,
    PER_CELL,
    RISE,
    SIDE_DROP,
    SIDE_X,
    SIDE_Z,
    SLIDE_LOOK,
    STATION_M,
    TANGENT,
    TINY,
    WALL,
    F,
    Gate,
    Picture,
    View,
    X,
    Z,
    index,
)
from btr_tm.sim.pose import FORWARD, POSITION, UP, VELOCITY, D, S
from btr_tm.sim.track.ribbon import NO_GATE


@reordered_part
def _station_at(road: Floats, s_m: np.float32) -> int:
    return index(s_m / STATION_M + F(PAD + 0.5), road.shape[0])


@reordered_part
def _lap_start(size: Picture, s_m: np.float32) -> np.float32:
    """Arc length at which the lap of `s_m` begins; 0 on an open track."""
    return np.floor(s_m / size.length_m) * size.length_m if size.closed else ZERO


@reordered_part
def _level_unit(x: np.float32, z: np.float32) -> tuple[np.float32, np.float32]:
    square = x * x + z * z
    if square < TINY:
        return ZERO, ONE
    length = np.sqrt(square)
    return x / length, z / length


@reordered_part
def viewpoint(road: Floats, size: Picture, car: Floats, drawn: Floats) -> View:
    """As `scene.viewpoint`."""
    position, forward, up, velocity = car[POSITION:], car[FORWARD:], car[UP:], car[VELOCITY:]
    slope = road[_station_at(road, car[S] - _lap_start(size, car[S])), RISE]
    nose_x, nose_z = _level_unit(forward[0] - forward[1] * up[0], forward[2] - forward[1] * up[2])
    speed = np.sqrt(velocity[0] * velocity[0] + velocity[2] * velocity[2])
    turn = SLIDE_LOOK * ((velocity[2] * nose_x - velocity[0] * nose_z) / (speed + F(8))) + drawn[3]
    heading_x, heading_z = _level_unit(nose_x - turn * nose_z, nose_z + turn * nose_x)
    return View(
        position[0] - heading_x * EYE_BACK_M,
        position[1] + EYE_UP_M + drawn[2] - slope * EYE_BACK_M,
        position[2] - heading_z * EYE_BACK_M,
        heading_x,
        heading_z,
        slope,
        size.horizon + size.focal_y * slope,
    )


@reordered_part
def eye_s_of(road: Floats, size: Picture, car: Floats, view: View) -> np.float32:
    """As `Strips.eye_s`."""
    s_m = car[S]
    here = _station_at(road, s_m - _lap_start(size, s_m))
    along = ZERO
    along += (view.x - road[here, 0]) * road[here, TANGENT]
    along += (view.y - road[here, 1]) * road[here, TANGENT + 1]
    along += (view.z - road[here, 2]) * road[here, TANGENT + 2]
    return s_m + along / max(ONE - road[here, CURVATURE] * car[D], F(0.4))


@reordered_part
def look_ahead(
    road: Floats,
    stations: Floats,
    size: Picture,
    view: View,
    eye_s: np.float32,
    ahead: Floats,
    rows_of: Integers,
) -> None:
    """As `Columns.stations` and `Strips.texture_row`."""
    lap = _lap_start(size, eye_s)
    here = _station_at(road, eye_s - lap)
    way = ONE
    if road[here, TANGENT] * view.heading_x + road[here, TANGENT + 2] * view.heading_z < ZERO:
        way = -ONE
    count = stations.shape[0]
    for k in range(count):
        grid = stations[k, 1]
        s_m = way * np.floor((way * eye_s + stations[k, 0]) / grid) * grid
        station = _station_at(road, s_m - lap)
        x, y, z = road[station, 0] - view.x, road[station, 1] - view.y, road[station, 2] - view.z
        side_x, side_z = way * road[station, 3], way * road[station, 5]
        ahead[X, k] = z * view.heading_x - x * view.heading_z
        ahead[DROP, k] = -y
        ahead[Z, k] = x * view.heading_x + z * view.heading_z
        ahead[SIDE_X, k] = side_z * view.heading_x - side_x * view.heading_z
        ahead[SIDE_DROP, k] = -way * road[station, 4]
        ahead[SIDE_Z, k] = side_x * view.heading_x + side_z * view.heading_z
        ahead[WALL, k] = road[station, 6]
        ahead[ARC, k] = s_m
        back = np.int64(grid / STATION_M) if s_m > ahead[ARC, 0] else 0  # the strip lies before its end
        rows_of[k] = max(station - back, 0) // PER_CELL * (count - 1) + k - 1


@reordered_part
def next_gate(road: Floats, gates: Integers, size: Picture, view: View, eye_s: np.float32) -> Gate:
    here = _station_at(road, eye_s - _lap_start(size, eye_s))
    station = gates[here, 1]
    kind = gates[station, 0]
    x, y, z = road[station, 0] - view.x, road[station, 1] - view.y, road[station, 2] - view.z
    side_x, side_z = road[station, 3], road[station, 5]
    return Gate(
        bool(kind > NO_GATE and F(station - here) * STATION_M < GATE_FARTHEST_M),
        z * view.heading_x - x * view.heading_z,
        y,
        x * view.heading_x + z * view.heading_z,
        side_z * view.heading_x - side_x * view.heading_z,
        road[station, 4],
        side_x * view.heading_x + side_z * view.heading_z,
        kind,
    )
