"""What the grey camera knows about a track: stations with straight lead-in and run-out, and the painted road.

The paint is a texture (cell of 2 m along the road, level of detail, place across), already as coarse as the
strips that show it, so that thin lines fade with distance instead of flickering.
Letters in shapes: S stations with padding, C cells, L levels, U places across, E cars.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from btr_tm.sim.pose import Pose
from btr_tm.sim.scene import FOG_M
from btr_tm.sim.track.ribbon import DIRT, FINISH_GATE, GRASS, NO_GATE, SPACING_M, TURBO, Ribbon, Track

PAD = 640  # stations before and after; more than the camera looks ahead (256 m) and back
PER_CELL = 4  # stations per cell
SECTIONS = ((2.0, 16), (4.0, 16), (8.0, 10), (16.0, 5))  # (length m, count) of strips: 256 m in 47
PLACES, EXTENT = 160, 2.5  # texture columns over place / half width from -EXTENT to EXTENT
FOOTPRINT_M = (0.4, 1.2, 2.5, 4.5)  # what a pixel of a 64 x 64 picture covers sideways, per level
SURFACE_GREY = (88.0, 48.0, 142.0, 120.0, 70.0)  # by surface group: asphalt, grass, dirt, turbo, other
GAP, LINE = 4.0, 245.0
FOG = 172.0  # grey level of fog and horizon
PATCH_PLACES = 5  # texture columns with one grain: 2 m, as long as a cell, on a road 25 m wide


def strip_ends() -> tuple[Tensor, Tensor]:
    """Distance ahead (K,) at which each strip ends, and the grid (K,) in m to which its end is aligned."""
    grid = torch.tensor([length for length, count in SECTIONS for _ in range(count)])
    return grid.cumsum(0), grid


def patch(texture_row: Tensor, texel: Tensor) -> Tensor:
    """Number of the patch of ground, one cell long, at a texel (any shape) of a row, however far."""
    strips = sum(count for _, count in SECTIONS)
    cell = torch.div(texture_row, strips, rounding_mode="floor")
    across = torch.div(texel, PATCH_PLACES, rounding_mode="floor")
    return cell * (PLACES // PATCH_PLACES) + across


def fogged(grey: Tensor, nearness: Tensor) -> Tensor:
    """Blends towards the fog; half of the contrast is left at FOG_M."""
    square = nearness * nearness
    return FOG + (grey - FOG) * square / (square + 1 / FOG_M**2)


class Strips:
    """Constant tables of one track on its device."""

    def __init__(self, track: Track):
        self.closed, self.length_m = track.closed, track.length_m
        ribbon = padded(track)
        half_width = ribbon.half_width_m[:, None]
        wall = ribbon.wall_m[:, None] / half_width
        self.station = torch.cat([ribbon.centre, ribbon.right * half_width, wall], 1)  # (S, 7)
        self.centre, self.tangent = ribbon.centre, ribbon.tangent
        self.right, self.curvature = ribbon.right, ribbon.curvature
        self.rise = smooth_rise(ribbon.tangent)
        self.gate = ribbon.gate
        self.next_gate = next_gate(ribbon.gate)
        self.reach, self.grid = (values.to(ribbon.gate.device) for values in strip_ends())
        self.texture = in_fog(paint(ribbon), self.reach - self.grid / 2).flatten(0, 1)  # (C x (K - 1), U)

    def index(self, s_m: Tensor) -> Tensor:
        """Station of the tables at arc length `s_m` (any shape), int64."""
        if self.closed:
            s_m = torch.remainder(s_m, self.length_m)
        return (s_m / SPACING_M + (PAD + 0.5)).long().clamp(0, self.gate.shape[0] - 1)

    def texture_row(self, station: Tensor, s_m: Tensor) -> Tensor:
        """Row of `texture` (E, K - 1, 1) int64 of the strips that end at samples 1 to K - 1."""
        back = (self.grid[:, None] / SPACING_M).long() * (
            s_m[:, 1:] > s_m[:, :1]
        )  # the strip lies before its end
        cell = torch.div((station[:, 1:] - back).clamp(min=0), PER_CELL, rounding_mode="floor")
        strips = self.grid.shape[0]
        return cell * strips + torch.arange(strips, device=cell.device)[:, None]

    def around(self, s_m: Tensor, reference_m: Tensor) -> Tensor:
        """Station at `s_m` (E, N), in the lap of `reference_m` (E, 1) or the padding around it."""
        if self.closed:
            s_m = s_m - torch.floor(reference_m / self.length_m) * self.length_m
        return (s_m / SPACING_M + (PAD + 0.5)).long().clamp(0, self.gate.shape[0] - 1)

    def slope(self, s_m: Tensor) -> Tensor:
        """Mean rise per level metre of the road around `s_m` (E,)."""
        return self.rise[self.index(s_m)]

    def eye_s(self, pose: Pose, eye: Tensor) -> Tensor:
        """Arc length (E,) of the eye (E, 3), to first order from the car's own."""
        station = self.index(pose.s_m)
        along = ((eye - self.centre[station]) * self.tangent[station]).sum(1)
        stretch = 1 - self.curvature[station] * pose.d_m
        return pose.s_m + along / stretch.clamp(min=0.4)


def padded(track: Track) -> Ribbon:
    """The ribbon with PAD stations more at both ends: round again if closed, straight on if open."""
    ribbon = track.ribbon
    count = ribbon.centre.shape[0]
    wanted = torch.arange(-PAD, count + PAD, device=ribbon.centre.device)
    inside = wanted % count if track.closed else wanted.clamp(0, count - 1)
    out = Ribbon(*(values[inside] for values in ribbon))
    if track.closed:
        return out
    excess = (wanted - inside) * SPACING_M
    on_track = excess == 0
    return out._replace(
        centre=out.centre + excess[:, None] * out.tangent,
        gate=torch.where(on_track, out.gate, NO_GATE),
    )


def smooth_rise(tangent: Tensor, window: int = 65) -> Tensor:
    """Rise per level metre (S,), averaged over `window` stations, so that the camera pitches gently."""
    rise = tangent[:, 1] / (tangent[:, 0].square() + tangent[:, 2].square()).sqrt().clamp(min=0.2)
    around = torch.nn.functional.pad(rise[None, None], (window // 2, window // 2), mode="replicate")
    return torch.nn.functional.avg_pool1d(around, window, stride=1)[0, 0].contiguous()


def next_gate(gate: Tensor) -> Tensor:
    """Station (S,) int64 of the first gate at or after each station, the last station if there is none."""
    last = gate.shape[0] - 1
    stations = torch.arange(last + 1, device=gate.device)
    here = torch.where(gate > NO_GATE, stations, last)
    return here.flip(0).cummin(0).values.flip(0)


def in_fog(painted: Tensor, distance_m: Tensor) -> Tensor:
    """The paint as each strip shows it at its distance: (C, K - 1, U) uint8."""
    level = [level for level, (_, count) in enumerate(SECTIONS) for _ in range(count)]
    return fogged(painted[:, level].float(), 1 / distance_m[:, None]).to(torch.uint8)


def paint(ribbon: Ribbon) -> Tensor:
    """Grey levels (C, L, U) uint8 of the road and what lies beside it."""
    cells = np.arange(0, ribbon.gate.shape[0], PER_CELL)

    def at_cell(values: Tensor) -> np.ndarray:
        return values.cpu().numpy()[cells][:, None, None]

    surface_group, half_width_m = at_cell(ribbon.surface), at_cell(ribbon.half_width_m)
    number = np.arange(len(cells))[:, None, None]
    footprint = np.array(FOOTPRINT_M)[None, :, None]
    side_m = np.abs((np.arange(PLACES) + 0.5) * 2 / PLACES - 1)[None, None] * EXTENT * half_width_m
    near = np.array([1.0, 0.8, 0.3, 0.0])[None, :, None]  # how much of the fine pattern is left

    grass = SURFACE_GREY[GRASS] + near * 9 * _alternate(number, 4)
    surface = _surface(surface_group, number, side_m, near)
    dash_m = np.maximum(0.3, 0.3 * footprint)
    dash = _cover(dash_m - side_m, footprint) * (_alternate(number, 4) > 0) * (surface_group == 0)
    surface = surface + 0.8 * np.clip(near + 0.3, 0, 1) * dash * (LINE - surface)
    line_m = np.maximum(1.1, 0.7 * footprint)  # wide enough for an unbroken line at the sides of 64 x 64
    line = _cover(side_m - (half_width_m - line_m), footprint) * (surface_group != DIRT)
    kerb = np.where((np.abs(at_cell(ribbon.curvature)) > 1 / 180) & (_alternate(number, 2) < 0), 90 * near, 0)
    surface = surface + line * (LINE - kerb - surface)
    surface = np.where(at_cell(ribbon.road) > 0, surface, GAP)
    grey = surface + _cover(side_m - half_width_m, footprint) * (grass - surface)
    grey = _gate_line(grey, ribbon.gate.cpu().numpy(), side_m, half_width_m)
    return torch.from_numpy(np.clip(grey, 0, 255).astype(np.uint8)).to(ribbon.gate.device)


def _surface(surface: np.ndarray, number: np.ndarray, side_m: np.ndarray, near: np.ndarray) -> np.ndarray:
    grey = np.array(SURFACE_GREY)[surface] + near * 5 * _alternate(number, 2)
    bumps = np.sin(number * 12.9898 + np.floor(side_m) * 78.233) * 43758.5453
    grey = np.where(surface == DIRT, grey + near * 44 * (bumps - np.floor(bumps) - 0.5), grey)
    chevron = (np.floor((number * 2 + side_m * 0.7) / 4) % 2) * 2 - 1
    return np.where(surface == TURBO, SURFACE_GREY[TURBO] + 30 + np.maximum(near, 0.4) * 100 * chevron, grey)


def _gate_line(
    grey: np.ndarray, gate: np.ndarray, side_m: np.ndarray, half_width_m: np.ndarray
) -> np.ndarray:
    """Paints a line under each gate, a chequered one at the finish."""
    for station in np.flatnonzero(gate).tolist():
        cell = station // PER_CELL
        on_road = side_m[cell, 0] < half_width_m[cell, 0]
        for ahead in (0, 1):
            chequer = np.where((np.floor(side_m[cell, 0] / 1.5) + ahead) % 2 > 0, 250.0, 10.0)
            colour = chequer if gate[station] == FINISH_GATE else np.full_like(chequer, 250.0)
            row = min(cell + ahead, len(grey) - 1)
            grey[row, :2] = np.where(on_road, colour, grey[row, :2])
    return grey


def _alternate(number: np.ndarray, period: int) -> np.ndarray:
    return 1.0 - 2.0 * ((number // period) % 2)


def _cover(inside_m: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Share of a pixel's footprint on the positive side of an edge `inside_m` away."""
    return np.clip(inside_m / footprint + 0.5, 0, 1)
