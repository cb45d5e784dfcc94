"""The ribbon packed for the physics: one gather per tick fetches all it needs of two neighbouring stations.

Letters in shapes: E cars, S stations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.sim.physics.constants import CarConstants, surface_row
from btr_tm.sim.track.ribbon import GRASS, Track

REACH_M = 1.0  # deeper than this below the road the car has fallen into a gap and nothing carries it
LOST_M = 4.0  # deeper than this no slope brings it back, and the race is over
_COLUMNS = 21
_TYRE = 17  # first of the four surface columns


class RoadPoint(NamedTuple):
    """The road below each car; cars are the last axis, so that rows are contiguous vectors."""

    s_m: Tensor  # (E,) where: the nearer end, for a car beyond the ends of an open road
    centre: Tensor  # (3, E) m
    axes: Tensor  # (3, 3, E): tangent, right, up; unit to 2e-4
    bend: Tensor  # (2, E) 1/m: curvature to the right, curvature upward
    half_width_m: Tensor  # (E,)
    wall_m: Tensor  # (E,)
    floor_m: Tensor  # (E,) height above which the road carries: -REACH_M, over a gap out of the way
    tyre: Tensor  # (4, E) grip, resistance, drag, boost of the road, minus those of grass


@dataclass(frozen=True, eq=False)
class Road:
    """Interpolates the packed ribbon at arc lengths; clamps on open tracks, wraps on closed ones."""

    table: Tensor  # (S, 2 x 21): values, then differences to the next station
    per_metre: Tensor  # () stations
    first_m: Tensor  # () zero
    last_m: Tensor  # () length of the ribbon
    last: Tensor  # () the same in stations; a closed ribbon repeats its first row there
    closed: bool

    def at(self, s_m: Tensor) -> RoadPoint:
        """The road at arc length `s_m` (E,)."""
        if self.closed:
            where = torch.remainder(s_m * self.per_metre, self.last)
        else:
            s_m = s_m.clamp(self.first_m, self.last_m)
            where = s_m * self.per_metre
        rows = self.table.index_select(0, where.long()).t()
        row = rows[:_COLUMNS] + rows[_COLUMNS:] * where.frac()
        half_width, wall, floor = row[14:_TYRE].unbind(0)
        axes = row[3:12].unflatten(0, (3, 3))
        return RoadPoint(s_m, row[0:3], axes, row[12:14], half_width, wall, floor, row[_TYRE:])


def pack_road(track: Track, car: CarConstants) -> Road:
    """Builds the table of a track, on the track's device."""
    ribbon = track.ribbon
    materials = (car.asphalt, car.grass, car.dirt, car.turbo, car.asphalt)
    tyres = torch.stack([surface_row(material) for material in materials]).to(ribbon.centre.device)
    tyre = (tyres - tyres[GRASS])[ribbon.surface]
    floor = REACH_M - 2 * REACH_M * ribbon.road
    scalars = [ribbon.curvature, ribbon.pitch_curvature, ribbon.half_width_m, ribbon.wall_m, floor]
    frame = [ribbon.centre, ribbon.tangent, ribbon.right, ribbon.up]
    values = torch.cat([*frame, torch.stack(scalars, 1), tyre], dim=1)
    if track.closed:
        values = torch.cat([values, values[:1]])
    change = torch.cat([values[1:] - values[:-1], torch.zeros_like(values[:1])])
    table = torch.cat([values, change], dim=1)
    last = len(table) - 1
    return Road(
        table=table,
        per_metre=table.new_tensor(1 / track.spacing_m),
        first_m=table.new_tensor(0.0),
        last_m=table.new_tensor(last * track.spacing_m),
        last=table.new_tensor(float(last)),
        closed=track.closed,
    )
