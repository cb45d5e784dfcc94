"""A track as coloured quadrilaterals for the large colour view: road, kerbs, grass, fence, gates, stands.

Slices of 2 m serve the near part of a picture and slices of 8 m the far part.
Letters in shapes: N quads, C slices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from btr_tm.sim import scene
from btr_tm.sim.track.ribbon import (
    CHECKPOINT_GATE,
    DIRT,
    FINISH_GATE,
    GRASS,
    SPACING_M,
    START_GATE,
    TURBO,
    Track,
)

ASPHALT, ASPHALT_LIGHT = (78, 80, 86), (83, 85, 91)
LAWN, LAWN_LIGHT = (58, 128, 46), (72, 146, 55)
EARTH, EARTH_DARK = (150, 106, 66), (136, 94, 58)
WHITE, RED, YELLOW, ORANGE = (240, 240, 240), (206, 38, 34), (250, 205, 40), (240, 120, 20)
DARK, CONCRETE, STEEL = (22, 24, 34), (150, 150, 152), (205, 208, 215)
BANNERS = ((214, 40, 40), (245, 245, 245), (30, 80, 190), (245, 245, 245), (250, 200, 30), (245, 245, 245))
GATE_COLOURS = {START_GATE: (40, 160, 60), CHECKPOINT_GATE: (30, 110, 220), FINISH_GATE: (230, 230, 230)}
CROWD = (122, 116, 128)
STAND_CLEAR_M = 34.0  # a grandstand needs this much room to every other stretch of road
PIT_M = 5.0  # depth drawn under the gap of a jump
GROUND, PAINT, STAND, FENCE, GATE = range(5)  # painting order within a slice


@dataclass
class Mesh:
    """Quads with their colours and the slice they belong to: slice after slice, painted in this order."""

    corners: np.ndarray  # (N, 4, 3)
    colour: np.ndarray  # (N, 3)
    slice_: np.ndarray  # (N,) int
    middle: np.ndarray  # (C, 3), of each slice
    radius: np.ndarray  # (C,) m, of a ball around the middle that holds the slice's corners
    first: np.ndarray  # (C + 1,) int, where each slice begins

    def faces_of(self, slices: np.ndarray) -> np.ndarray:
        """Indices of the quads of `slices`, one slice after the other."""
        begin, count = self.first[slices], np.diff(self.first)[slices]
        before = np.cumsum(count) - count
        return np.repeat(begin - before, count) + np.arange(count.sum())


class _Builder:
    """Collects quads."""

    def __init__(self) -> None:
        self.parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, int]] = []

    def add(self, corners: np.ndarray, colour: np.ndarray | tuple, slice_: np.ndarray, layer: int) -> None:
        """Quads (N, 4, 3), one colour or one each (N, 3), their slices (N,)."""
        colours = np.broadcast_to(np.asarray(colour, float), (len(corners), 3))
        self.parts.append((corners, colours, slice_, layer))

    def mesh(self, middle: np.ndarray) -> Mesh:
        """Everything added so far."""
        layer = np.concatenate([np.full(len(part[0]), part[3]) for part in self.parts])
        corners, colour, slice_ = (np.concatenate([part[i] for part in self.parts]) for i in range(3))
        order = np.lexsort((layer, slice_))
        first = np.searchsorted(slice_[order], np.arange(len(middle) + 1))
        corners, slice_ = corners[order], slice_[order]
        radius = np.zeros(len(middle))
        np.maximum.at(radius, slice_, np.linalg.norm(corners - middle[slice_][:, None], axis=2).max(1))
        return Mesh(corners, colour[order], slice_, middle, radius, first)


class _Slices:
    """Cross-sections at the ends of slices of `step_m`; `begin` and `end` (C,) are stations."""

    def __init__(self, track: Track, step_m: float):
        self.step_m, self.closed = step_m, track.closed
        stride, count = int(step_m / SPACING_M), len(track.ribbon.gate)
        self.begin = np.arange(0, count - (0 if track.closed else stride), stride)
        self.end = (self.begin + stride) % count if track.closed else self.begin + stride
        self.number = np.arange(len(self.begin))
        self.s_m = self.begin * SPACING_M
        self.centre, self.right = track.ribbon.centre.cpu().numpy(), track.ribbon.right.cpu().numpy()
        self.half_width_m, self.wall_m = (
            track.ribbon.half_width_m.cpu().numpy(),
            track.ribbon.wall_m.cpu().numpy(),
        )
        self.surface, self.road = track.ribbon.surface.cpu().numpy(), track.ribbon.road.cpu().numpy()
        self.curvature, self.gate = track.ribbon.curvature.cpu().numpy(), track.ribbon.gate.cpu().numpy()

    def strip(self, left: np.ndarray, right: np.ndarray, lift_m: float = 0.0) -> np.ndarray:
        """Quads (C, 4, 3) on the road between offsets `left` and `right`, (2, C) each: at begin and end."""
        a, b = self.begin, self.end
        corners = [(a, left[0]), (a, right[0]), (b, right[1]), (b, left[1])]
        return np.stack([self.point(station, offset, lift_m) for station, offset in corners], 1)

    def point(self, station: np.ndarray, offset: np.ndarray, lift_m: np.ndarray | float = 0.0) -> np.ndarray:
        """World points (C, 3)."""
        lift = np.broadcast_to(np.asarray(lift_m, float), station.shape)[:, None]
        return self.centre[station] + offset[:, None] * self.right[station] + lift * np.array([0.0, 1.0, 0.0])

    def both(self, values: np.ndarray) -> np.ndarray:
        """Station values (S,) at begin and end of each slice, (2, C)."""
        return np.stack([values[self.begin], values[self.end]])


def build(track: Track, step_m: float) -> Mesh:
    """The track in slices of `step_m`."""
    slices, builder = _Slices(track, step_m), _Builder()
    for part in (_lawn, _road, _markings, _pits, _fences, _stands, _gates):
        part(slices, builder)
    return builder.mesh(slices.centre[slices.begin])


def _stripes(slices: _Slices, period_m: float, first: tuple, second: tuple) -> np.ndarray:
    """Colours (C, 3) that alternate along the road."""
    odd = (slices.s_m // period_m % 2).astype(int)
    return np.array([first, second], float)[odd]


def _lawn(slices: _Slices, builder: _Builder) -> None:
    wall, half = slices.both(slices.wall_m), slices.both(slices.half_width_m)
    middle = (wall + half) / 2
    light, dark = _stripes(slices, 8, LAWN, LAWN_LIGHT), _stripes(slices, 8, LAWN_LIGHT, LAWN)
    for side in (-1, 1):
        builder.add(slices.strip(side * half, side * middle), light, slices.number, GROUND)
        builder.add(slices.strip(side * middle, side * wall), dark, slices.number, GROUND)


def _road(slices: _Slices, builder: _Builder) -> None:
    half, surface = slices.both(slices.half_width_m), slices.surface[slices.begin]
    there = slices.road[slices.begin] > 0
    colours = _stripes(slices, 4, ASPHALT, ASPHALT_LIGHT)
    colours = np.where((surface == GRASS)[:, None], _stripes(slices, 4, LAWN, LAWN_LIGHT), colours)
    noise = np.random.default_rng(7)
    if not (surface == DIRT).any():
        builder.add(slices.strip(-half, half)[there], colours[there], slices.number[there], GROUND)
        return
    lanes = np.linspace(-1, 1, 7)
    for left, right in zip(lanes[:-1], lanes[1:], strict=True):
        share = noise.random((len(surface), 1))
        earth = np.array(EARTH) * share + np.array(EARTH_DARK) * (1 - share)
        lane = np.where((surface == DIRT)[:, None], earth, colours)
        quads = slices.strip(left * half, right * half)
        builder.add(quads[there], lane[there], slices.number[there], GROUND)


def _markings(slices: _Slices, builder: _Builder) -> None:
    half, number, surface = slices.both(slices.half_width_m), slices.number, slices.surface[slices.begin]
    paved = (slices.road[slices.begin] > 0) & (surface != DIRT)
    bend = np.abs(slices.curvature[slices.begin]) > 1 / 200
    line = np.array([WHITE] * len(number), float)
    kerb = _stripes(slices, 4, RED, WHITE)
    for side in (-1, 1):
        edge = slices.strip(side * (half - 0.9), side * (half - 0.5))
        builder.add(edge[paved], line[paved], number[paved], PAINT)
        rim = slices.strip(side * (half - 0.45), side * (half + 0.45), 0.02)
        shown = paved & bend
        builder.add(rim[shown], kerb[shown], number[shown], PAINT)
    dash = paved & (slices.s_m // 8 % 2 == 0) & (surface != TURBO)
    width = np.full_like(half, 0.18)
    builder.add(slices.strip(-width, width)[dash], WHITE, number[dash], PAINT)
    _turbo(slices, builder)


def _turbo(slices: _Slices, builder: _Builder) -> None:
    """Chevrons that point ahead."""
    pad = (slices.surface[slices.begin] == TURBO) & (slices.road[slices.begin] > 0)
    half = slices.both(slices.half_width_m) * 0.6
    colour = _stripes(slices, 4, YELLOW, ORANGE)
    for side in (-1, 1):
        quads = slices.strip(0 * half, side * half, 0.03)
        ahead = quads[:, 3] - quads[:, 0]
        quads[:, 0] += 2 * ahead  # swept ahead, over slices that are painted before this one
        quads[:, 3] += 2 * ahead
        builder.add(quads[pad], colour[pad], slices.number[pad], PAINT)


def _pits(slices: _Slices, builder: _Builder) -> None:
    """The hole under a jump, and the face of its far lip."""
    half, there = slices.both(slices.half_width_m), slices.road[slices.begin] > 0
    hole = ~there
    builder.add(slices.strip(-half, half, -PIT_M)[hole], DARK, slices.number[hole], GROUND)
    lip = there & ~np.roll(there, 1)
    at, width = slices.begin[lip], half[0][lip]
    for low, high, colour in ((-PIT_M, -0.8, CONCRETE), (-0.8, 0.0, RED)):
        face = [
            slices.point(at, side * width, lift)
            for side, lift in ((-1, low), (1, low), (1, high), (-1, high))
        ]
        builder.add(np.stack(face, 1), colour, slices.number[lip], GROUND)
    edge = there & ~np.roll(there, -1)
    builder.add(slices.strip(-half, half, 0.02)[edge], RED, slices.number[edge], PAINT)


def _fences(slices: _Slices, builder: _Builder) -> None:
    wall = slices.both(slices.wall_m)
    panel = np.array(BANNERS, float)[(slices.s_m // 8 % len(BANNERS)).astype(int)]
    bend = np.abs(slices.curvature[slices.begin]) > 1 / 200
    panel = np.where(bend[:, None], _stripes(slices, 4, RED, WHITE), panel)
    for side in (-1, 1):
        for low, high, colour in ((0.0, 0.35, CONCRETE), (0.35, scene.FENCE_M, panel)):
            bottom, top = (
                slices.strip(side * wall, side * wall, low),
                slices.strip(side * wall, side * wall, high),
            )
            quads = np.stack([bottom[:, 0], bottom[:, 2], top[:, 2], top[:, 0]], 1)
            builder.add(quads, colour, slices.number, FENCE)


def _stands(slices: _Slices, builder: _Builder) -> None:
    """Grandstands with spectators beside straight stretches that have room for them."""
    noise, at = np.random.default_rng(3), slices.begin
    straight = np.abs(slices.curvature[at]) < 1 / 400
    in_turn = (slices.s_m // 64 % 2).astype(int)
    for side in (-1, 1):
        wall = slices.both(slices.wall_m)
        place = slices.point(at, side * (wall[0] + 12))
        shown = straight & (in_turn == (side > 0)) & _clear(slices, place) & (slices.s_m % 64 < 56)
        for row in range(5):
            inner, outer = side * (wall + 4 + 2.2 * row), side * (wall + 6.2 + 2.2 * row)
            low, high = 1.0 + 1.5 * row, 2.5 + 1.5 * row
            front, top = slices.strip(inner, inner, low), slices.strip(inner, inner, high)
            riser = np.stack([front[:, 0], front[:, 2], top[:, 2], top[:, 0]], 1)
            colourful = min(0.5, 1.6 / slices.step_m)  # from afar spectators blend
            crowd = colourful * noise.integers(20, 245, (len(at), 3)) + (1 - colourful) * np.array(CROWD)
            builder.add(riser[shown], crowd[shown], slices.number[shown], STAND)
            tread = slices.strip(inner, outer, high)
            builder.add(tread[shown], (96, 100, 112), slices.number[shown], STAND)


def _clear(slices: _Slices, place: np.ndarray) -> np.ndarray:
    """Which places (C, 3) are far from all stretches of road but their own."""
    road = slices.centre[::16]
    far = np.hypot(place[:, None, 0] - road[None, :, 0], place[:, None, 2] - road[None, :, 2]) > STAND_CLEAR_M
    gap = np.abs(slices.begin[:, None] - np.arange(0, len(slices.centre), 16)[None])
    if slices.closed:
        gap = np.minimum(gap, len(slices.centre) - gap)
    return (far | (gap * SPACING_M < 60)).all(1)


def _gates(slices: _Slices, builder: _Builder) -> None:
    low, high = scene.GATE_BEAM_M
    for station in np.flatnonzero(slices.gate):
        kind, half = int(slices.gate[station]), float(slices.half_width_m[station])
        slabs = [(side * half, side * (half + scene.POST_M), 0.0, high, STEEL) for side in (-1, 1)]
        slabs.append((-half, half, low, high, GATE_COLOURS[kind]))
        if kind == FINISH_GATE:
            slabs += _chequer(half, low, high)
        else:
            slabs.append((-half, half, low + 0.8, high - 0.8, WHITE))
        inside = np.array([min(station // int(slices.step_m / SPACING_M), len(slices.begin) - 1)])
        for left, right, bottom, top, colour in slabs:
            corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
            quad = [slices.point(np.array([station]), np.array([x]), y)[0] for x, y in corners]
            builder.add(np.array([quad]), colour, inside, GATE)


def _chequer(half: float, low: float, high: float) -> list[tuple]:
    """Dark fields (left, right, bottom, top, colour) on a bright beam."""
    edges, middle = np.linspace(-half, half, 17), (low + high) / 2
    rows = ((middle, high), (low, middle))
    return [(edges[i], edges[i + 1], *rows[i % 2], DARK) for i in range(16)]
