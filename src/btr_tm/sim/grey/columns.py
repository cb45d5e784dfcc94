"""Geometry of the grey camera: where upright image columns cut the road ahead, and what hides what.

A column is a vertical plane in the world. It cuts the cross-section line of every station ahead in closed
form, which gives a chain of samples, nearest first.
Letters in shapes: E cars, K samples, H rows, W columns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.sim import scene
from btr_tm.sim.grey.strips import Strips, strip_ends
from btr_tm.sim.scene import Framing, Viewpoint

NEAR_M = 0.3
STEEPEST = 0.09  # columns are bent so that they keep this cosine with the road's direction at least
NOWHERE = 1e6  # a row far below every picture


class Stations(NamedTuple):
    """The stations that a car's picture shows, in camera axes; (E, K, 1), first the one beside the eye.

    A camera that looks against the driving direction gets the stations behind, with the sides swapped.
    """

    x: Tensor  # centre of the road: right of the eye, m
    drop: Tensor  # below the eye, m
    z: Tensor  # ahead of the eye, m
    side_x: Tensor  # from the centre to the right edge
    side_drop: Tensor
    side_z: Tensor
    wall: Tensor  # place of the fence in half widths
    s_m: Tensor  # arc length
    station: Tensor  # int64, row of the track's tables


class Chain(NamedTuple):
    """Samples along each column, (E, K, W); sample 0 is the point under the eye."""

    row: Tensor  # image row, downward
    nearness: Tensor  # 1 / depth, 1/m
    place: Tensor  # across the road, in half widths


class Fence(NamedTuple):
    """Where each column meets the fence, (E, 1, W)."""

    sample: Tensor  # int64, the first sample beyond the fence; K where the column meets none
    at: Tensor  # int64, the sample whose place the fence's foot takes: the same, or the last
    foot: Chain  # what it takes that place with
    top: Tensor  # row of the upper edge, NOWHERE without a fence
    nearness: Tensor
    s_m: Tensor  # arc length


class Columns:
    """Cuts of all columns of a batch of views with one track."""

    def __init__(self, framing: Framing, strips: Strips, device: torch.device):
        self.framing, self.strips = framing, strips
        reach, grid = strip_ends()
        self.grid = torch.cat([grid[:1], grid]).to(device)  # that of sample 0 only keeps it in place
        self.reach = torch.cat([torch.zeros(1), reach]).to(device)
        middle = torch.arange(framing.width, device=device) + 0.5 - framing.width / 2
        self.slope = (middle / framing.focal_x)[None, None]  # (1, 1, W) to the right
        self.number = torch.arange(len(reach) + 1, device=device)[None, :, None]

    def stations(self, view: Viewpoint, eye_s: Tensor) -> Stations:
        """What lies ahead of the eye at arc length `eye_s` (E,), whichever way it looks."""
        eye_s = eye_s[:, None]
        tangent = self.strips.tangent[self.strips.around(eye_s, eye_s)[:, 0]]
        along = tangent[:, 0] * view.heading_x + tangent[:, 2] * view.heading_z
        way = torch.where(along < 0, -1.0, 1.0)[:, None]
        s_m = way * torch.floor((way * eye_s + self.reach) / self.grid) * self.grid
        station = self.strips.around(s_m, eye_s)
        x, y, z, side_x, side_y, side_z, wall = self.strips.station[station].unbind(2)
        x, y, z = view.local(x, y, z)
        side_x, side_z = view.turned(way * side_x, way * side_z)
        values = (x, -y, z, side_x, -way * side_y, side_z, wall, s_m, station)
        return Stations(*(value.unsqueeze(2) for value in values))

    def cut(self, stations: Stations, horizon: Tensor) -> Chain:
        """Samples of every column; `horizon` (E, 1, 1) is the row of level sight."""
        x, drop, z, side_x, side_drop, side_z = stations[:6]
        first = Stations(*(values[:, :1] for values in stations))
        slope = self.bent(first)
        place = (slope * z - x) / (side_x - slope * side_z).clamp(min=0.05)
        depth = z + place * side_z
        # Stations that this column passes behind the eye are replaced by the point under the eye.
        passed = (depth < NEAR_M) | (self.number == 0)
        under = -(first.x * first.side_x + first.z * first.side_z)
        under = under / (first.side_x * first.side_x + first.side_z * first.side_z)
        place = torch.where(passed, under, place)
        nearness = 1 / depth.masked_fill_(passed, NEAR_M)
        focal = self.framing.focal_y
        row = (focal * drop + place * (focal * side_drop)) * nearness + horizon
        return Chain(row, nearness, place)

    def bent(self, first: Stations) -> Tensor:
        """Slopes (E, 1, W) of the columns, those that look back along the road bent to look across it.

        They see nothing but the near fence, at nearly the right distance, so that one list of stations
        per car is enough.
        """
        length = (first.side_x * first.side_x + first.side_z * first.side_z).sqrt()
        least = STEEPEST * length * (1 + self.slope * self.slope).sqrt()
        side_z = torch.where(first.side_z.abs() < 1e-3, 1e-3, first.side_z)
        return torch.where(
            first.side_x - self.slope * side_z < least, (first.side_x - least) / side_z, self.slope
        )

    def meet_fence(self, chain: Chain, stations: Stations, horizon: Tensor) -> Fence:
        """Finds the fence, and the foot of it that takes the place of the first sample beyond it."""
        count = self.number.shape[1]
        aside = chain.place.abs()
        outward = aside[:, 1:] > torch.maximum(stations.wall[:, 1:], aside[:, :-1])
        sample = self.number[:, 1:].masked_fill(~outward, count).amin(1, keepdim=True)
        met, at = sample < count, sample.clamp(max=count - 1)
        wall, begin, end = (_pick(stations.wall, at), _pick(stations.s_m, at - 1), _pick(stations.s_m, at))
        row0, near0, place0 = (values.gather(1, at - 1) for values in chain)
        row1, near1, place1 = (values.gather(1, at) for values in chain)
        part = (torch.where(place1 < 0, -wall, wall) - place0) / torch.where(met, place1 - place0, 1.0)
        part = torch.where(met, part, 1.0).clamp(0, 1)
        # Along the ground place, height and depth are linear, that is (row - horizon) / nearness.
        depth = 1 / near0 + part * (1 / near1 - 1 / near0)
        drop0, drop1 = (row0 - horizon) / near0, (row1 - horizon) / near1
        foot = horizon + (drop0 + part * (drop1 - drop0)) / depth
        moved = Chain(foot, 1 / depth, place0 + part * (place1 - place0))
        top = torch.where(met, foot - self.framing.focal_y * scene.FENCE_M / depth, NOWHERE)
        return Fence(sample, at, moved, top, 1 / depth, begin + part * (end - begin))


def _pick(values: Tensor, at: Tensor) -> Tensor:
    """Values (E, K, 1) at samples (E, 1, W)."""
    return values.transpose(1, 2).gather(2, at)
