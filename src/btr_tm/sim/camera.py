"""The grey training camera: a batch of small third-person pictures of the local ribbon, in pure PyTorch.

Every image column is a vertical plane. It cuts the cross-section lines of the stations ahead in closed form, which
gives, per column, a chain of samples (row, 1 / depth, lateral place). Each pixel takes the first sample that is not
below it, which hides what lies behind a crest, and interpolates on the strip before that sample. A column ends
where it meets the fence. Letters in shapes: E cars, K samples, H rows, W columns, S stations.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.sim import scene
from btr_tm.sim.body import OwnCar
from btr_tm.sim.pose import Pose
from btr_tm.sim.ribbon import CHECKPOINT_GATE, FINISH_GATE, NO_GATE, SPACING_M, Track
from btr_tm.sim.scene import FOG_M, Framing, Look, View
from btr_tm.sim.strips import EXTENT, FOOTPRINT_M, PER_CELL, PLACES, Strips, ladder, levels

NEAR_M = 0.3
FOG, SKY, LAND = 200.0, 120.0, 70.0  # grey levels
FENCE_GREYS = (150.0, 225.0)  # panels of 4 m alternate
FAR_BELOW = 1e6


class Chain(NamedTuple):
    """Samples along each column, nearest first; sample 0 is the point under the eye. (E, K, W)."""

    row: Tensor  # image row, downward
    nearness: Tensor  # 1 / depth, 1/m
    side: Tensor  # place across the road in half widths, mirrored for columns that look backward


class Stretch(NamedTuple):
    """What goes with the samples of a chain; forward and backward lists side by side where 2K is said."""

    forward: Tensor  # (E, 1, W) bool, the column looks along the driving direction
    wall: Tensor  # (E, K, W) place of the fence in half widths
    s_m: Tensor  # (E, 2K) arc length
    texture: Tensor  # (E, 2K) int64, first texel of the strip that ends at the sample


class Fence(NamedTuple):
    """Where each column meets the fence, (E, 1, W)."""

    sample: Tensor  # int64, the sample moved to the fence's foot; K where the column meets none
    top: Tensor  # row of the upper edge, far below the picture where there is no fence
    nearness: Tensor
    grey: Tensor


class Camera:
    """Renders what the drivers see, each car by itself, on the track's device."""

    def __init__(self, track: Track, height: int = 64, width: int = 64):
        device = track.ribbon.centre.device
        self.framing = Framing(height, width)
        self.strips = Strips(track)
        self.car = OwnCar(self.framing, device)
        reach, grid = ladder()
        self.reach, self.grid = reach.to(device), grid.to(device)
        self.level = levels().to(device)
        columns = torch.arange(width, device=device) + 0.5 - width / 2
        self.column = (columns / self.framing.focal_x)[None, None]  # (1, 1, W) slope to the right
        self.row = (torch.arange(height, device=device) + 0.5)[None, :, None]  # (1, H, 1)
        self.number = torch.arange(reach.shape[0] + 1, device=device)[None, :, None]

    def __call__(self, pose: Pose, look: Look = scene.NEUTRAL) -> Tensor:
        """Pictures (E, 1, H, W) uint8 of the cars in `pose`."""
        view = scene.view(pose, self.strips.slope(pose.s_m), look)
        horizon = (self.framing.horizon + self.framing.focal_y * view.slope)[:, None, None]
        eye_s = self.strips.eye_s(pose, view.eye)[:, None]
        chain, stretch = self._cut(view, horizon, eye_s)
        chain, fence = self._meet_fence(chain, stretch, horizon)
        sample = self._visible(chain, fence)
        grey, nearness = self._ground(chain, stretch, sample)
        grey, nearness = self._beyond(grey, nearness, sample, fence, horizon)
        grey = self._gate(grey, nearness, view, horizon, eye_s)
        grey = self.car.paint(grey, pose, view, horizon)
        grey = (grey - 128) * look.gain + (128 + look.offset)
        return grey.clamp(0, 255).to(torch.uint8).unsqueeze(1)

    def _cut(self, view: View, horizon: Tensor, eye_s: Tensor) -> tuple[Chain, Stretch]:
        """Cuts every column with the stations ahead of the eye, or behind it where the column looks back."""
        ahead_m = torch.floor((eye_s + self.reach) / self.grid) * self.grid
        behind_m = -torch.floor((self.reach - eye_s) / self.grid) * self.grid
        s_m = torch.cat([eye_s, ahead_m, eye_s, behind_m], 1)  # (E, 2K)
        station = self.strips.around(s_m, eye_s)
        x, y, z, right_x, right_y, right_z, wall = self.strips.station[station].unbind(2)
        x, y, z = view.local(x, y, z)
        right_x, right_z = view.turned(right_x, right_z)
        forward = right_x[:, :1, None] > self.column * right_z[:, :1, None]
        count = self.number.shape[1]

        def pick(values: Tensor, mirror: float = 1.0) -> Tensor:
            return torch.where(forward, values[:, :count, None], mirror * values[:, count:, None])

        right_x, right_y, right_z = pick(right_x, -1.0), pick(right_y, -1.0), pick(right_z, -1.0)
        x, y, z = pick(x), pick(y), pick(z)
        side = (self.column * z - x) / (right_x - self.column * right_z).clamp(min=0.05)
        depth = z + side * right_z
        # The column's own place under the eye: exact there, and a stand-in for stations it passes behind the eye.
        under = -(x[:, :1] * right_x[:, :1] + z[:, :1] * right_z[:, :1])
        under = under / (right_x[:, :1].square() + right_z[:, :1].square())
        passed = (depth < NEAR_M) | (self.number == 0)
        side = torch.where(passed, under, side)
        nearness = 1 / depth.masked_fill(passed, NEAR_M)
        row = horizon - self.framing.focal_y * (y + side * right_y) * nearness
        return Chain(row, nearness, side), Stretch(forward, pick(wall), s_m, self._texture(s_m, station))

    def _texture(self, s_m: Tensor, station: Tensor) -> Tensor:
        """First texel (E, 2K) of the strip that ends at each sample: its cell is where the strip starts in s."""
        count = self.number.shape[1]
        back = torch.cat([self.grid[:1], self.grid, torch.zeros_like(self.reach), self.grid[:1] * 0])
        level = torch.cat([self.level[:1], self.level]).repeat(2)
        cell = ((station - (back / SPACING_M).long()).clamp(min=0)) // PER_CELL
        assert cell.shape[1] == 2 * count, cell.shape
        return (cell * len(FOOTPRINT_M) + level) * PLACES

    def _meet_fence(self, chain: Chain, stretch: Stretch, horizon: Tensor) -> tuple[Chain, Fence]:
        """Moves the first sample outside the fence to the fence's foot, in each column."""
        count = self.number.shape[1]
        place = chain.side.abs()
        outward = place[:, 1:] > torch.maximum(stretch.wall[:, 1:], place[:, :-1])
        sample = self.number[:, 1:].masked_fill(~outward, count).amin(1, keepdim=True)
        met = sample < count
        at, before = sample.clamp(max=count - 1), sample.clamp(max=count - 1) - 1
        wall, near_side, far_side = stretch.wall.gather(1, at), chain.side.gather(1, before), chain.side.gather(1, at)
        part = (wall * far_side.sign() - near_side) / torch.where(met, far_side - near_side, 1.0)
        part = part.clamp(0, 1)
        near_depth, far_depth = 1 / chain.nearness.gather(1, before), 1 / chain.nearness.gather(1, at)
        depth = near_depth + part * (far_depth - near_depth)
        # Heights are linear in depth as well: row - horizon = -focal * height / depth.
        near_drop = (chain.row.gather(1, before) - horizon) * near_depth
        far_drop = (chain.row.gather(1, at) - horizon) * far_depth
        foot = horizon + (near_drop + part * (far_drop - near_drop)) / depth
        moved = Chain(foot, 1 / depth, near_side + part * (far_side - near_side))
        chain = Chain(
            *(old.scatter(1, at, torch.where(met, new, old.gather(1, at)))
              for old, new in zip(chain, moved, strict=True))
        )  # fmt: skip
        top = torch.where(met, foot - self.framing.focal_y * scene.FENCE_M / depth, FAR_BELOW)
        return chain, Fence(sample, top, 1 / depth, self._panels(stretch, at, part))

    def _panels(self, stretch: Stretch, at: Tensor, part: Tensor) -> Tensor:
        """Grey (E, 1, W) of the fence's panels where it is met."""
        count = self.number.shape[1]
        s_m = stretch.s_m[:, None]  # (E, 1, 2K)
        index = torch.where(stretch.forward, at, at + count)
        end = s_m.expand(-1, 1, -1).gather(2, index)
        start = s_m.gather(2, index - 1)
        odd = torch.remainder(torch.floor((start + part * (end - start)) / 4), 2)
        return FENCE_GREYS[0] + odd * (FENCE_GREYS[1] - FENCE_GREYS[0])

    def _visible(self, chain: Chain, fence: Fence) -> Tensor:
        """First sample (E, H, W) uint8 that is not below each pixel, K where there is none."""
        cars, count, width = chain.row.shape
        height = self.framing.height
        bin_ = torch.ceil(chain.row - 0.5).clamp(0, height)
        bin_ = bin_.masked_fill(self.number > fence.sample, height).long()
        first = torch.full((cars, height + 1, width), count, dtype=torch.uint8, device=bin_.device)
        number = self.number.to(torch.uint8).expand_as(bin_)
        first = first.scatter_reduce(1, bin_, number, "amin")[:, :-1]
        step = 1
        while step < height:  # running minimum down each column
            first = torch.cat([first[:, :step], torch.minimum(first[:, step:], first[:, :-step])], 1)
            step *= 2
        return first

    def _ground(self, chain: Chain, stretch: Stretch, sample: Tensor) -> tuple[Tensor, Tensor]:
        """Grey and nearness (E, H, W) of the ground seen at each pixel (anything where none is seen)."""
        cars, count, width = chain.row.shape
        over = chain.side * chain.nearness  # linear in the row along a strip, as is the nearness itself
        rows = (chain.row[:, 1:] - chain.row[:, :-1]).clamp(max=-1e-6)
        tilt = (chain.nearness[:, 1:] - chain.nearness[:, :-1]) / rows
        drift = (over[:, 1:] - over[:, :-1]) / rows
        flat = ((sample.clamp(max=count - 1).long() - 1) * width + self._column_base(cars)).flatten()

        def at_pixel(values: Tensor) -> Tensor:
            return values.flatten().index_select(0, flat).view(sample.shape)

        nearness = at_pixel(chain.nearness[:, 1:] - tilt * chain.row[:, 1:]) + at_pixel(tilt) * self.row
        over = at_pixel(over[:, 1:] - drift * chain.row[:, 1:]) + at_pixel(drift) * self.row
        place = (over / nearness).abs().mul(PLACES / EXTENT).clamp(0, PLACES - 1).long()
        strip = torch.where(
            stretch.forward, stretch.texture[:, 1:count, None], stretch.texture[:, count + 1 :, None]
        )
        texel = (at_pixel(strip) + place).flatten()
        grey = self.strips.texture.index_select(0, texel).view(sample.shape).float()
        return fogged(grey, nearness), nearness

    def _column_base(self, cars: int) -> Tensor:
        """Flat index (E, 1, W) of each column's first strip."""
        width = self.framing.width
        car = torch.arange(cars, device=self.row.device)[:, None, None] * (self.number.shape[1] - 1)
        return car * width + torch.arange(width, device=self.row.device)

    def _beyond(
        self, grey: Tensor, nearness: Tensor, sample: Tensor, fence: Fence, horizon: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Adds fence, sky and far land where no ground is seen."""
        above = horizon - self.row  # (E, H, 1) rows above the horizon
        sky = SKY + (FOG - SKY) / (1 + above.clamp(min=0) * (6 / self.framing.height))
        land = FOG + (LAND - FOG) * (-above / self.framing.height).clamp(0, 0.5) * 2
        back = torch.where(above > 0, sky, land)
        cover = (self.row - fence.top + 0.5).clamp(0, 1)
        back = back + cover * (fogged(fence.grey, fence.nearness) - back)
        seen = sample < self.number.shape[1]
        return torch.where(seen, grey, back), torch.where(seen, nearness, cover * fence.nearness)

    def _gate(self, grey: Tensor, nearness: Tensor, view: View, horizon: Tensor, eye_s: Tensor) -> Tensor:
        """Paints the next gate ahead of the eye: two posts and a beam, where nothing nearer hides it."""
        strips, focal = self.strips, self.framing.focal_y
        station = strips.next_gate[strips.around(eye_s, eye_s)]  # (E, 1)
        kind = strips.gate[station]
        x, y, z, right_x, right_y, right_z, _ = strips.station[station].unbind(2)
        x, y, z = view.local(x, y, z)
        right_x, right_z = view.turned(right_x, right_z)
        side = (self.column[0] * z - x) / (right_x - self.column[0] * right_z).clamp(min=0.05)  # (E, W)
        depth = z + side * right_z
        near = 1 / depth.clamp(min=1.0)
        shown = (depth > 1.0) & (near > 1 / 260) & (kind > NO_GATE)
        foot = horizon - (focal * (y + side * right_y) * near)[:, None]
        low, high = (foot - (focal * beam * near)[:, None] for beam in scene.GATE_BEAM_M)
        half = right_x.abs().clamp(min=1.0)
        post = 1 + torch.maximum(0.5 / (self.framing.focal_x * near * half), scene.POST_M / half)
        place = side.abs()
        between = (self.row - high + 0.5).clamp(0, 1)
        beam = between * (low - self.row + 0.5).clamp(0, 1) * (place < post)[:, None]
        posts = between * (foot - self.row + 0.5).clamp(0, 1) * ((place > 1) & (place < post))[:, None]
        cover = torch.maximum(beam, posts) * (shown[:, None] & (nearness < 1.03 * near[:, None]))
        colour = fogged(self._gate_grey(kind, side, low, high), near[:, None] * 1.5)
        return grey + cover * (colour - grey)

    def _gate_grey(self, kind: Tensor, side: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Grey (E, H, W) of a gate: plain, or chequered at the finish."""
        lower = (self.row * 2 > low + high).float()
        chequer = torch.remainder(torch.floor(side * 4)[:, None] + lower, 2)
        base = torch.where(kind == CHECKPOINT_GATE, 255.0, 25.0)[:, None]
        return torch.where((kind == FINISH_GATE)[:, None], chequer * 255, base)


def fogged(grey: Tensor, nearness: Tensor) -> Tensor:
    """Blends towards the fog; half of the contrast is left at FOG_M."""
    square = nearness * nearness
    return FOG + (grey - FOG) * square / (square + 1 / FOG_M**2)
