"""What the kernel of the grey camera works with: constants, tables of a track, small tuples, small functions.

Letters in shapes: K stations ahead, S stations of the track, W columns, Q quadrilaterals of the own car.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from btr_tm.core.kernels import ZERO, Floats, Integers, reordered_part
from btr_tm.sim import scene
from btr_tm.sim.appearance import GRAIN_M
from btr_tm.sim.grey import camera, columns, own_car, strips
from btr_tm.sim.scene import Framing
from btr_tm.sim.track.ribbon import SPACING_M, Track

Bytes = NDArray[np.uint8]

F = np.float32
SKY, LAND, FOG = F(camera.SKY), F(camera.LAND), F(strips.FOG)
FENCE_DARK, FENCE_LIGHT = F(camera.FENCE_GREYS[0]), F(camera.FENCE_GREYS[1])
GATE_NEAREST_M, GATE_FARTHEST_M = F(camera.GATE_NEAREST_M), F(camera.GATE_FARTHEST_M)
NEAR_M, STEEPEST, NOWHERE = F(columns.NEAR_M), F(columns.STEEPEST), F(columns.NOWHERE)
EYE_BACK_M, EYE_UP_M, SLIDE_LOOK = F(scene.EYE_BACK_M), F(scene.EYE_UP_M), F(scene.SLIDE_LOOK)
FENCE_M, POST_M = F(scene.FENCE_M), F(scene.POST_M)
BEAM_LOW_M, BEAM_HIGH_M = F(scene.GATE_BEAM_M[0]), F(scene.GATE_BEAM_M[1])
PER_FOG_SQUARE, PER_GRAIN_SQUARE = F(1 / scene.FOG_M**2), F(1 / GRAIN_M**2)
X, DROP, Z, SIDE_X, SIDE_DROP, SIDE_Z, WALL, ARC = range(8)  # rows of what is ahead
ROW, NEAR, PLACE = range(3)  # rows of a chain
# Rows of Canvas.edges: above the ground, of the fence's upper edge, its grey, below which a gate is hidden
FREE, FENCE_TOP, PANEL, HIDING = range(4)
CHUNK = 16  # samples that are cut at once
TANGENT, CURVATURE, RISE = 7, 10, 11  # columns of Tables.road
STATION_M, PAD, PER_CELL = F(SPACING_M), strips.PAD, strips.PER_CELL
PLACES, PATCH_PLACES = strips.PLACES, strips.PATCH_PLACES
STRIPS = sum(count for _, count in strips.SECTIONS)
TEXELS, MIDDLE_TEXEL = F(strips.PLACES / 2 / strips.EXTENT), F(strips.PLACES / 2)
QUADS, REAR, BRAKE_LIGHT = len(own_car.QUADS), own_car.REAR, F(own_car.BRAKE_LIGHT)
TINY = F(1e-6)


class Tables(NamedTuple):
    """What the kernel knows about a track and a picture; see `grey.strips` and `grey.own_car`."""

    road: Floats  # (S, 12) centre, from there to the right edge, place of the fence, tangent, curvature, rise
    gates: Integers  # (S, 2) kind of a gate at a station, station of the next gate
    texture: Bytes  # (cells x strips x places,)
    ahead: Floats  # (K, 2) distance ahead of a station, grid to which it is aligned
    slope: Floats  # (W,) to the right, of each column
    corners: Floats  # (Q, 4, 6) of the own car: place, shift by steering and by dampers, 1 for the shadow
    quads: Floats  # (Q, 2) grey, opacity


class Picture(NamedTuple):
    """Sizes of a picture and of its track."""

    height: int
    width: int
    focal_x: np.float32
    focal_y: np.float32
    horizon: np.float32
    top: int  # first row in which ground can be seen
    car_rows: int  # the first of those in which the own car can be
    car_left: int
    car_right: int
    closed: bool
    length_m: np.float32


class View(NamedTuple):
    """Where the camera of one car stands; see `scene.Viewpoint`."""

    x: np.float32
    y: np.float32
    z: np.float32
    heading_x: np.float32
    heading_z: np.float32
    slope: np.float32
    horizon: np.float32  # row of level sight


class Gate(NamedTuple):
    """As `camera.Gate`, of one car."""

    exists: bool
    x: np.float32
    y: np.float32
    z: np.float32
    side_x: np.float32
    side_y: np.float32
    side_z: np.float32
    kind: int


class Grain(NamedTuple):
    """The grain that a race drew for its ground."""

    grey: np.float32
    pattern: int


class Canvas(NamedTuple):
    """Memory for the picture of one car."""

    ahead: Floats  # (8, K) of each station, as columns.Stations
    rows_of: Integers  # (K,) of the texture, of the strip that ends there
    chain: Floats  # (3, K) of the samples of a column, as columns.Chain
    lines: Floats  # (4, K)
    strip: NDArray[np.uint64]  # (H,) that each row of a column shows
    edges: Floats  # (4, W) of each column
    back: Floats  # (H,)
    grey: Floats  # (H, W)
    xy: Floats  # (2, 4)


def canvas(stations: int, size: Picture) -> Canvas:
    """For so many stations ahead."""
    shapes = (4, size.width), (size.height,), (size.height, size.width), (2, 4)
    ahead, chain, lines = (np.empty((rows, stations), np.float32) for rows in (8, 3, 4))
    of_station, of_row = np.empty(stations, np.int64), np.empty(size.height, np.uint64)
    return Canvas(ahead, of_station, chain, lines, of_row, *(np.empty(shape, np.float32) for shape in shapes))


def tables(track: Track, framing: Framing) -> Tables:
    """The tables of the reference, as arrays."""
    known, car = strips.Strips(track), own_car.OwnCar(framing, camera.EAGER)
    cut = columns.Columns(framing, known, torch.device("cpu"))
    road = torch.cat([known.station, known.tangent, known.curvature[:, None], known.rise[:, None]], 1)
    by_corner = (car.corner_x, car.corner_y, car.corner_z, car.steered, car.sprung, car.grounded)
    arrays = (
        road,
        torch.stack([known.gate.long(), known.next_gate], 1),
        known.texture.flatten(),
        torch.stack([cut.reach, cut.grid], 1),
        cut.slope.flatten(),
        torch.stack(by_corner, 1).view(QUADS, 4, -1),
        torch.stack([car.grey, car.opacity.flatten()], 1),
    )
    return Tables(*(np.ascontiguousarray(values.numpy()) for values in arrays))


def picture(track: Track, framing: Framing) -> Picture:
    """The sizes of the reference."""
    car = own_car.OwnCar(framing, camera.EAGER)
    return Picture(
        framing.height, framing.width, F(framing.focal_x), F(framing.focal_y), F(framing.horizon),
        camera.top_of_ground(track, framing), car.rows.start, car.columns.start,
        min(car.columns.stop, framing.width),
        track.closed, F(track.length_m),
    )  # fmt: skip


@reordered_part
def clip(value: np.float32, least: np.float32, most: np.float32) -> np.float32:
    return min(max(value, least), most)


@reordered_part
def index(place: np.float32, count: int) -> int:
    """A whole number from 0 to `count` - 1, whatever `place` is."""
    whole = int(place)
    return 0 if whole < 0 else count - 1 if whole >= count else whole


@reordered_part
def row_at(value: np.float32, size: Picture) -> int:
    """The row of the picture that holds `value`, or an end of it."""
    return index(clip(value, ZERO, F(size.height)), size.height + 1)


@reordered_part
def fogged(grey: np.float32, near: np.float32) -> np.float32:
    square = near * near
    return FOG + (grey - FOG) * square / (square + PER_FOG_SQUARE)
