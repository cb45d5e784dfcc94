"""The grey training camera: a batch of small third-person pictures of the local ribbon, in pure PyTorch.

Each pixel takes the first sample of its column that is not below it, which hides what lies behind a crest,
and looks up the road's paint on the strip before that sample.
Letters in shapes: E cars, K samples, H rows, W columns.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from btr_tm.sim import scene
from btr_tm.sim.grey.columns import NOWHERE, Chain, Columns, Fence, Stations
from btr_tm.sim.grey.own_car import OwnCar
from btr_tm.sim.grey.strips import EXTENT, FOG, PLACES, Strips, fogged, patch
from btr_tm.sim.grey.visibility import Stepwise
from btr_tm.sim.pose import Pose
from btr_tm.sim.scene import Framing, Look, View
from btr_tm.sim.track.ribbon import CHECKPOINT_GATE, FINISH_GATE, NO_GATE, SPACING_M, Track

SKY, LAND = 105.0, 135.0  # grey levels overhead and just beyond the fence
FENCE_GREYS = (95.0, 225.0)  # panels of 4 m alternate
GATE_NEAREST_M, GATE_FARTHEST_M = 1.0, 300.0  # depth; along the road


class Camera:
    """Renders what the drivers see, each car by itself, on the track's device."""

    def __init__(self, track: Track, height: int = 64, width: int = 64, way: Stepwise | None = None):
        device = track.ribbon.centre.device
        self.framing, self.way = Framing(height, width), way or Stepwise()
        self.strips = Strips(track)
        self.columns = Columns(self.framing, self.strips, device)
        self.car = OwnCar(self.framing, self.way, device)
        self.row = (torch.arange(height, device=device) + 0.5)[None, :, None]  # (1, H, 1)
        self.top = top_of_ground(track, self.framing)
        self.column = torch.arange(width, device=device, dtype=torch.int32)

    def __call__(self, pose: Pose, look: Look = scene.NEUTRAL) -> Tensor:
        """Pictures (E, 1, H, W) uint8 of the cars in `pose`."""
        columns = self.columns
        view, eye_s = self._stand(pose, look)
        horizon = (self.framing.horizon + self.framing.focal_y * view.slope)[:, None, None]
        stations = columns.stations(view, eye_s)
        chain = Chain(*self.way.kept(*columns.cut(stations, horizon)))
        gate = self._gate(chain, view, horizon, eye_s)
        fence = columns.meet_fence(chain, stations, horizon)
        top, panel, *span = self.way.kept(fence.top, _panel(fence), *gate)
        back = self._beyond(top, panel, horizon)
        lower = self.row[:, self.top :]
        sample, chain = self.way.seen(chain, fence, columns.number, lower)
        ground = self._ground(chain, stations, sample, lower, look)
        ground = torch.where(sample < chain.row.shape[1], ground, back[:, self.top :])
        grey = torch.cat([back[:, : self.top], ground], 1)
        grey = self._blend(grey, *span)
        grey = self.car.paint(grey, pose, view, horizon)
        return look.tint(grey).to(torch.uint8).unsqueeze(1)

    def _stand(self, pose: Pose, look: Look) -> tuple[View, Tensor]:
        """The views, and the arc lengths (E,) of their eyes."""
        view = scene.view(pose, self.strips.slope(pose.s_m), look)
        eye_s = self.strips.eye_s(pose, view.eye)
        x, y, z, *level, eye_s = self.way.kept(*view.eye.unbind(1), *view[1:], eye_s)
        return View(torch.stack([x, y, z], 1), *level), eye_s

    def _ground(self, chain: Chain, stations: Stations, sample: Tensor, middle: Tensor, look: Look) -> Tensor:
        """Grey (E, h, W) of the ground where `sample` is seen (anything where none is), in rows `middle`."""
        cars, count, width = chain.row.shape
        # Nearness and place * nearness are linear in the row along a strip; the place is kept in texels.
        texel = (chain.place * (PLACES / 2 / EXTENT) + PLACES / 2) * chain.nearness
        rows = (chain.row[:, 1:] - chain.row[:, :-1]).clamp_(max=-1e-6)
        tilt = (chain.nearness[:, 1:] - chain.nearness[:, :-1]) / rows
        drift = (texel[:, 1:] - texel[:, :-1]) / rows
        at_top = (chain.nearness[:, 1:] - tilt * chain.row[:, 1:], texel[:, 1:] - drift * chain.row[:, 1:])
        lines = [values.flatten() for values in self.way.kept(at_top[0], tilt, at_top[1], drift)]
        # Each car's own part of the texture is small enough to stay in a processor's cache.
        texture_row = self.way.table(self.strips.texture_row(stations.station, stations.s_m).flatten())
        texture = self.way.table(self.strips.texture.index_select(0, texture_row)).flatten()
        # Sample 0 ends no strip; a car fallen below the road sees it.
        strip = sample.clamp(1, count - 1) + self._strips_before(cars, count)
        pixel = (strip * width + self.column).flatten()

        def at_pixel(values: Tensor) -> Tensor:
            return values.index_select(0, pixel).view(sample.shape)

        nearness = (at_pixel(lines[0]) + at_pixel(lines[1]) * middle).clamp_(min=1e-6)
        texel = at_pixel(lines[2]) + at_pixel(lines[3]) * middle
        texel = texel.div_(nearness).clamp_(0, PLACES - 1).int()
        grey = texture.index_select(0, (texel + strip * PLACES).flatten()).view(sample.shape).float()
        return look.textured(grey, nearness, lambda: patch(texture_row[strip], texel))

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
        self, chain: Chain, view: View, horizon: Tensor, eye_s: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of the upper and lower end, and the grey, of the next gate in each column, (E, 1, W).

        Two posts and a beam make one span per column, cut off where nearer ground rises above it.
        """
        strips, focal = self.strips, self.framing.focal_y
        here = strips.around(eye_s[:, None], eye_s[:, None])  # (E, 1)
        station = strips.next_gate[here]
        x, y, z, side_x, side_y, side_z, _ = (
            values[..., None] for values in strips.station[station].unbind(2)
        )
        kind = strips.gate[station][..., None]
        x, y, z = (values[..., None] for values in view.local(x[..., 0], y[..., 0], z[..., 0]))
        side_x, side_z = (values[..., None] for values in view.turned(side_x[..., 0], side_z[..., 0]))
        place = (self.columns.slope * z - x) / (side_x - self.columns.slope * side_z).clamp(min=0.05)
        depth = z + place * side_z
        near = 1 / depth.clamp(min=GATE_NEAREST_M)
        foot = horizon - focal * (y + place * side_y) * near
        low, high = (foot - focal * beam * near for beam in scene.GATE_BEAM_M)
        half_width = (side_x * side_x + side_z * side_z).sqrt()
        end = 1 + (1 / (self.framing.focal_x * near)).clamp(min=scene.POST_M) / half_width  # a pixel at least
        exists = (kind > NO_GATE) & ((station - here)[..., None] * SPACING_M < GATE_FARTHEST_M)
        shown = exists & (depth > GATE_NEAREST_M) & (place.abs() < end)
        low = torch.where(place.abs() > 1, foot, low)
        nearer = chain.row.masked_fill(chain.nearness < near * 1.02, NOWHERE).amin(1, keepdim=True)
        low = torch.minimum(low, nearer)
        chequer = torch.remainder(torch.floor(place * 4), 2) * 255
        grey = torch.where(kind == FINISH_GATE, chequer, torch.where(kind == CHECKPOINT_GATE, 255.0, 25.0))
        return torch.where(shown, high, NOWHERE), low, fogged(grey, near * 1.5)

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
