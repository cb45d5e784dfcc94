"""The ribbon packed for the physics: one gather per tick fetches all it needs of two neighbouring stations.

Letters in shapes: E cars, S stations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.sim.car import CarConstants, Surface
from btr_tm.sim.ribbon import Track

_TYRE = 17  # first of the four surface columns


class RoadPoint(NamedTuple):
    """The road below each car; cars are the last axis, so that rows are contiguous vectors."""

    centre: Tensor  # (3, E) m
    axes: Tensor  # (3, 3, E): tangent, right, up; unit to 2e-4
    bend: Tensor  # (2, E) 1/m: curvature to the right, curvature upward
    half_width_m: Tensor  # (E,)
    wall_m: Tensor  # (E,)
    road: Tensor  # (E,) 1 road, 0 gap
    tyre: Tensor  # (4, E) grip, resistance, drag, boost of the road, minus those of grass


@dataclass(frozen=True, eq=False)
class Road:
    """Interpolates the packed ribbon at arc lengths; clamps on open tracks, wraps on closed ones."""

    table: Tensor  # (S, 2 x 21): values, then differences to the next station
    per_metre: float
    closed: bool

    def at(self, s_m: Tensor) -> RoadPoint:
        """The road at arc length `s_m` (E,)."""
        stations, columns = self.table.shape[0], self.table.shape[1] // 2
        where = s_m * self.per_metre
        where = torch.remainder(where, stations) if self.closed else where.clamp(0, stations - 1)
        below = where.long().clamp(max=stations - 1)  # a remainder may round up to `stations`
        rows = self.table.index_select(0, below).t()
        row = rows[:columns] + rows[columns:] * (where - below)
        half_width, wall, road = row[14:_TYRE].unbind(0)
        return RoadPoint(
            row[0:3], row[3:12].unflatten(0, (3, 3)), row[12:14], half_width, wall, road, row[_TYRE:]
        )


def pack_road(track: Track, constants: CarConstants) -> Road:
    """Builds the table of a track, on the track's device."""
    ribbon = track.ribbon
    tyres = _tyre_table(constants).to(ribbon.centre.device)
    tyre = tyres[ribbon.surface] - tyres[1]
    scalars = [
        ribbon.curvature, ribbon.pitch_curvature, ribbon.half_width_m, ribbon.wall_m, ribbon.road,
    ]  # fmt: skip
    values = torch.cat(
        [ribbon.centre, ribbon.tangent, ribbon.right, ribbon.up, torch.stack(scalars, 1), tyre], dim=1
    )
    after = torch.roll(values, -1, 0)
    if not track.closed:
        after[-1] = values[-1]
    table = torch.cat([values, after - values], dim=1).contiguous()
    return Road(table, 1 / track.spacing_m, track.closed)


def grass_tyre(constants: CarConstants) -> Tensor:
    """(4, 1) grip, resistance, drag and boost beside the road."""
    return _row(constants.grass).unsqueeze(1)


def _tyre_table(constants: CarConstants) -> Tensor:
    groups = (constants.asphalt, constants.grass, constants.dirt, constants.turbo, constants.asphalt)
    return torch.stack([_row(group) for group in groups])


def _row(surface: Surface) -> Tensor:
    return torch.tensor([surface.grip, surface.resistance, surface.drag_per_s, surface.boost])
