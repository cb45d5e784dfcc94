"""The grey training camera: a batch of small third-person pictures of the local ribbon, in pure PyTorch.

Each pixel takes the first sample of its column that is not below it, which hides what lies behind a crest,
and looks up the road's paint on the strip before that sample.
Letters in shapes: E cars, K samples, H rows, W columns.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.sim import scene
from btr_tm.sim.appearance import NO_VARIATION, Variation
from btr_tm.sim.grey.columns import NOWHERE, Chain, Columns, Fence, Stations
from btr_tm.sim.grey.own_car import OwnCar
from btr_tm.sim.grey.rasterizer import EagerRasterizer, Rasterizer
from btr_tm.sim.grey.strips import EXTENT, FOG, PLACES, Strips, fogged, patch
from btr_tm.sim.pose import Pose
from btr_tm.sim.scene import Framing, Viewpoint
from btr_tm.sim.track.ribbon import CHECKPOINT_GATE, FINISH_GATE, NO_GATE, SPACING_M, Track

SKY, LAND = 105.0, 135.0  # grey levels overhead and just beyond the fence
FENCE_GREYS = (95.0, 225.0)  # panels of 4 m alternate
EAGER = EagerRasterizer()
GATE_NEAREST_M, GATE_FARTHEST_M = 1.0, 300.0  # depth; along the road


class Gate(NamedTuple):
    """A gate on its line across the road, in camera axes; all (E, 1, 1)."""

    x: Tensor  # centre of the road: right of the eye, m
    y: Tensor  # above the eye, m
    z: Tensor  # ahead of the eye, m
    side_x: Tensor  # from the centre to the right edge
    side_y: Tensor
    side_z: Tensor
    kind: Tensor  # int64
    exists: Tensor  # bool, there is a gate within GATE_FARTHEST_M


class Camera:
    """Renders what the drivers see, each car by itself, on the track's device."""

    def __init__(
        self, track: Track, height: int = 64, width: int = 64, rasterizer: Rasterizer = EAGER
    ) -> None:
        device = track.ribbon.centre.device
        self.framing, self.rasterizer = Framing(height, width), rasterizer
        self.strips = Strips(track)
        self.columns = Columns(self.framing, self.strips, device)
        self.car = OwnCar(self.framing, self.rasterizer, device)
        self.row = (torch.arange(height, device=device) + 0.5)[None, :, None]  # (1, H, 1)
        self.top = top_of_ground(track, self.framing)
        self.column = torch.arange(width, device=device, dtype=torch.int32)

    def __call__(self, pose: Pose, variation: Variation = NO_VARIATION) -> Tensor:
        """Pictures (E, 1, H, W) uint8 of the cars in `pose`."""
        columns = self.columns
        view, eye_s = self._stand(pose, variation)
        horizon = (self.framing.horizon + self.framing.focal_y * view.slope)[:, None, None]
        stations = columns.stations(view, eye_s)
        chain = Chain(*self.rasterizer.materialized(*columns.cut(stations, horizon)))
        gate = self._gate(chain, view, horizon, eye_s)
        fence = columns.meet_fence(chain, stations, horizon)
        top, panel, *span = self.rasterizer.materialized(fence.top, _panel(fence), *gate)
        back = self._beyond(top, panel, horizon)
        lower = self.row[:, self.top :]
        sample, chain = self.rasterizer.first_visible(chain, fence, columns.number, lower)
        ground = self._ground(chain, stations, sample, lower, variation)
        ground = torch.where(sample < chain.row.shape[1], ground, back[:, self.top :])
        grey = torch.cat([back[:, : self.top], ground], 1)
        grey = self._blend(grey, *span)
        grey = self.car.paint(grey, pose, view, horizon)
        return variation.tint(grey).to(torch.uint8).unsqueeze(1)

    def _stand(self, pose: Pose, variation: Variation) -> tuple[Viewpoint, Tensor]:
        """The views, and the arc lengths (E,) of their eyes."""
        view = scene.viewpoint(pose, self.strips.slope(pose.s_m), variation)
        eye_s = self.strips.eye_s(pose, view.eye)
        x, y, z, *level, eye_s = self.rasterizer.materialized(*view.eye.unbind(1), *view[1:], eye_s)
        return Viewpoint(torch.stack([x, y, z], 1), *level), eye_s

    def _ground(
        self, chain: Chain, stations: Stations, sample: Tensor, middle: Tensor, variation: Variation
    ) -> Tensor:
        """Grey (E, h, W) of the ground where `sample` is seen (anything where none is), in rows `middle`."""
        cars, count, width = chain.row.shape
        keep, keep_rows = self.rasterizer.materialized, self.rasterizer.materialized_rows
        # Perspective: along a strip not the place but nearness and place * nearness are linear in the row, so
        # two straight lines per strip give both at every pixel. The place is kept in texels.
        texel = (chain.place * (PLACES / 2 / EXTENT) + PLACES / 2) * chain.nearness
        rows = (chain.row[:, 1:] - chain.row[:, :-1]).clamp_(max=-1e-6)
        tilt = (chain.nearness[:, 1:] - chain.nearness[:, :-1]) / rows
        drift = (texel[:, 1:] - texel[:, :-1]) / rows
        at_top = (chain.nearness[:, 1:] - tilt * chain.row[:, 1:], texel[:, 1:] - drift * chain.row[:, 1:])
        lines = [values.flatten() for values in keep(at_top[0], tilt, at_top[1], drift)]
        # Each car's own part of the texture is small enough to stay in a processor's cache.
        texture_row = keep_rows(self.strips.texture_row(stations.station, stations.s_m).flatten())
        texture = keep_rows(self.strips.texture.index_select(0, texture_row)).flatten()
        # Sample 0 ends no strip; a car fallen below the road sees it.
        strip = sample.clamp(1, count - 1) + self._strips_before(cars, count)
        pixel = (strip * width + self.column).flatten()

        def at_pixel(values: Tensor) -> Tensor:
            return values.index_select(0, pixel).view(sample.shape)

        nearness = (at_pixel(lines[0]) + at_pixel(lines[1]) * middle).clamp_(min=1e-6)
        texel = at_pixel(lines[2]) + at_pixel(lines[3]) * middle
        texel = texel.div_(nearness).clamp_(0, PLACES - 1).int()
        grey = texture.index_select(0, (texel + strip * PLACES).flatten()).view(sample.shape).float()
        return variation.textured(grey, nearness, lambda: patch(texture_row[strip], texel))

    def _strips_before(self, cars: int, samples: int) -> Tensor:
        """Number (E, 1, 1) of a car's first strip, less the number of the sample that ends it."""
        first = torch.arange(cars, device=self.column.device, dtype=torch.int32) * (samples - 1)
        return first[:, None, None] - 1

    def _beyond(self, top: Tensor, panel: Tensor, horizon: Tensor) -> Tensor:
        """Grey (E, H, W) where no ground is seen: fence, sky, far land."""
        above = (horizon - self.row) / self.framing.height  # (E, H, 1)
        sky = SKY + (FOG - SKY) / (1 + 5 * above.clamp(min=0))
        land = FOG + (LAND - FOG) * (-2 * above).clamp(0, 1)
        back = torch.where(above > 0, sky, land)
        cover = (self.row + 0.5 - top).clamp_(0, 1)
        return back + cover.mul_(panel - back)

    def _gate(
        self, chain: Chain, view: Viewpoint, horizon: Tensor, eye_s: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of the upper and lower end, and the grey, of the next gate in each column, (E, 1, W).

        Two posts and a beam make one span per column, cut off where nearer ground rises above it.
        """
        focal = self.framing.focal_y
        gate = self._next_gate(view, eye_s)
        # The gate stands on a line across the road, centre + place * side, its posts beyond place -1 and 1.
        # A column is the upright plane x = slope * z: solved for the place where it cuts that line. A column
        # along the line would cut it nowhere; the least divisor keeps the number finite.
        divisor = (gate.side_x - self.columns.slope * gate.side_z).clamp(min=0.05)
        place = (self.columns.slope * gate.z - gate.x) / divisor
        depth = gate.z + place * gate.side_z
        near = 1 / depth.clamp(min=GATE_NEAREST_M)
        foot = horizon - focal * (gate.y + place * gate.side_y) * near  # row of the ground below the gate
        low, high = (foot - focal * beam * near for beam in scene.GATE_BEAM_M)
        half_width = (gate.side_x * gate.side_x + gate.side_z * gate.side_z).sqrt()
        # A far post is drawn wider than it is: thinner than a pixel it would come and go between columns.
        end = 1 + (1 / (self.framing.focal_x * near)).clamp(min=scene.POST_M) / half_width
        shown = gate.exists & (depth > GATE_NEAREST_M) & (place.abs() < end)
        low = torch.where(place.abs() > 1, foot, low)  # a post reaches the ground, the beam does not
        # Rows grow downward, so the least row of all nearer samples is the crest that hides what is below it.
        # Those must be nearer by 2 %, or the ground that the gate stands on would hide its foot.
        nearer = chain.row.masked_fill(chain.nearness < near * 1.02, NOWHERE).amin(1, keepdim=True)
        low = torch.minimum(low, nearer)
        chequer = torch.remainder(torch.floor(place * 4), 2) * 255
        checkpoint, finish = gate.kind == CHECKPOINT_GATE, gate.kind == FINISH_GATE
        grey = torch.where(finish, chequer, torch.where(checkpoint, 255.0, 25.0))
        # Less fog than at this depth: a gate shows the way from afar.
        return torch.where(shown, high, NOWHERE), low, fogged(grey, near * 1.5)

    def _next_gate(self, view: Viewpoint, eye_s: Tensor) -> Gate:
        """The first gate at or beyond the arc lengths `eye_s` (E,) of the eyes."""
        strips = self.strips
        here = strips.around(eye_s[:, None], eye_s[:, None])  # (E, 1)
        station = strips.next_gate[here]
        x, y, z, side_x, side_y, side_z, _ = (
            values[..., None] for values in strips.station[station].unbind(2)
        )
        kind = strips.gate[station][..., None]
        x, y, z = (values[..., None] for values in view.local(x[..., 0], y[..., 0], z[..., 0]))
        side_x, side_z = (values[..., None] for values in view.turned(side_x[..., 0], side_z[..., 0]))
        exists = (kind > NO_GATE) & ((station - here)[..., None] * SPACING_M < GATE_FARTHEST_M)
        return Gate(x, y, z, side_x, side_y, side_z, kind, exists)

    def _blend(self, grey: Tensor, high: Tensor, low: Tensor, colour: Tensor) -> Tensor:
        """Paints `colour` between the rows `high` and `low` of every column, (E, 1, W) each."""
        cover = torch.minimum(self.row + 0.5 - high, low + 0.5 - self.row).clamp_(0, 1)
        return grey + cover.mul_(colour - grey)


def top_of_ground(track: Track, framing: Framing) -> int:
    """First row in which ground can be seen: below the horizon where a track is flat and without a gap."""
    ribbon = track.ribbon
    level = (ribbon.up[:, 1] == 1) & (ribbon.centre[:, 1] == 0) & (ribbon.road > 0)
    return math.ceil(framing.horizon - 0.5) if bool(level.all()) else 0


def _panel(fence: Fence) -> Tensor:
    """Grey (E, 1, W) of the fence where each column meets it."""
    odd = torch.remainder(torch.floor(fence.s_m / 4), 2)
    return fogged(FENCE_GREYS[0] + odd * (FENCE_GREYS[1] - FENCE_GREYS[0]), fence.nearness)
