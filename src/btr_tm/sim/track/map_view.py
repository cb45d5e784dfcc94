"""A track from above: a picture to draw race lines on, and where world points lie in it."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from btr_tm.sim.track.ribbon import DIRT, FINISH_GATE, SPACING_M, START_GATE, TURBO, Track

GROUND, ROAD, EARTH, BOOST, EDGE = (
    (30, 34, 40),
    (110, 114, 122),
    (150, 106, 66),
    (240, 170, 40),
    (205, 208, 214),
)
GATES = {START_GATE: (60, 190, 90), FINISH_GATE: (250, 250, 250)}
CHECKPOINT = (70, 150, 250)
SMOOTHING = 3
STEP = 4  # stations per piece of road


class MapView:
    """The whole track in `size` = (height, width) pixels, scaled evenly, as seen from above."""

    def __init__(self, track: Track, size: tuple[int, int] = (240, 240), margin: float = 0.06):
        self.track, self.size = track, size
        height, width = size
        centre, wall = track.ribbon.centre.cpu().numpy(), track.ribbon.half_width_m.max().item()
        plan = _plan(centre)
        low, high = plan.min(0) - wall, plan.max(0) + wall
        room = np.array([width, height]) * (1 - 2 * margin)
        self.scale = float((room / (high - low)).min())  # pixels per metre
        self.offset = np.array([width, height]) / 2 - self.scale * (low + high) / 2

    def pixels(self, positions: Tensor) -> Tensor:
        """Column and row (T, 2) float32 of world points (T, 3)."""
        plan = _plan(positions.detach().cpu().double().numpy())
        return torch.from_numpy(plan * self.scale + self.offset).float()

    def background(self) -> Tensor:
        """The picture (H, W, 3) uint8 of the road, higher parts lighter and on top."""
        ribbon = self.track.ribbon
        height, width = self.size
        image = Image.new("RGB", (width * SMOOTHING, height * SMOOTHING), GROUND)
        draw = ImageDraw.Draw(image)
        half = ribbon.half_width_m.clamp(min=1.2 / self.scale)[:, None]  # never thinner than a line
        edges = [self._smooth(ribbon.centre + side * half * ribbon.right) for side in (-1, 1)]
        rim = [
            self._smooth(ribbon.centre + side * (half + 1.0 / self.scale) * ribbon.right) for side in (-1, 1)
        ]
        pieces = self._pieces()
        for start, end in pieces:
            draw.polygon(_outline(rim, start, end), fill=EDGE)
        for start, end in pieces:
            draw.polygon(_outline(edges, start, end), fill=self._colour(start))
        for station in torch.nonzero(ribbon.gate).flatten().tolist():
            colour = GATES.get(int(ribbon.gate[station]), CHECKPOINT)
            draw.line([tuple(edge[station]) for edge in rim], fill=colour, width=2 * SMOOTHING)
        small = image.resize((width, height), Image.Resampling.BOX)
        return torch.from_numpy(np.array(small))

    def _smooth(self, points: Tensor) -> np.ndarray:
        return self.pixels(points).numpy() * SMOOTHING

    def _pieces(self) -> list[tuple[int, int]]:
        """Start and end stations of the pieces of road, low ones first; none over the gap of a jump."""
        count, road = len(self.track.ribbon.gate), self.track.ribbon.road.cpu().numpy()
        starts = range(0, count if self.track.closed else count - 1, STEP)
        ends = [
            (start + STEP) % count if self.track.closed else min(start + STEP, count - 1) for start in starts
        ]
        height = self.track.ribbon.centre[:, 1].cpu().numpy()
        there = [(start, end) for start, end in zip(starts, ends, strict=True) if road[start] > 0]
        return sorted(there, key=lambda piece: height[piece[0]])

    def _colour(self, station: int) -> tuple[int, int, int]:
        ribbon = self.track.ribbon
        special = {DIRT: EARTH, TURBO: BOOST}.get(int(ribbon.surface[station]))
        if special:
            return special
        lowest, highest = ribbon.centre[:, 1].min(), ribbon.centre[:, 1].max()
        lift = float((ribbon.centre[station, 1] - lowest) / (highest - lowest).clamp(min=SPACING_M))
        red, green, blue = (int(value * (0.85 + 0.45 * lift)) for value in ROAD)
        return red, green, blue


def _plan(points: np.ndarray) -> np.ndarray:
    """From above with +z upward in the picture: +x, the left of one who looks along +z, lies to the left."""
    return -points[:, [0, 2]]


def _outline(edges: list[np.ndarray], start: int, end: int) -> list[tuple[float, float]]:
    left, right = edges
    return [tuple(left[start]), tuple(right[start]), tuple(right[end]), tuple(left[end])]
