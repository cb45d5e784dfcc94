"""The road as a ribbon in space: frames and properties at stations half a metre apart.

World axes are right-handed with y up; right = tangent x up. Letters in shapes: S stations.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from btr_tm.sim.track.source import TrackSource

SPACING_M = 0.5
ASPHALT, GRASS, DIRT, TURBO, OTHER = range(5)
NO_GATE, START_GATE, CHECKPOINT_GATE, FINISH_GATE = range(4)


class Ribbon(NamedTuple):
    """Stations along the road; float32 unless said."""

    centre: Tensor  # (S, 3) m
    tangent: Tensor  # (S, 3) unit, direction of driving
    right: Tensor  # (S, 3) unit, to the driver's right, in the road's plane (bank included)
    up: Tensor  # (S, 3) unit, normal of the road
    half_width_m: Tensor  # (S,) from the centre to the road's edge
    curvature: Tensor  # (S,) 1/m within the road's plane, > 0 turns right
    pitch_curvature: Tensor  # (S,) 1/m along the road's normal, > 0 curves upward (a dip)
    surface: Tensor  # (S,) int64, 0 asphalt, 1 grass, 2 dirt, 3 turbo, 4 other
    road: Tensor  # (S,) 1 where there is road, 0 over the gap of a jump
    wall_m: Tensor  # (S,) |d| where the fence stands, always < 0.8 / |curvature|
    gate: Tensor  # (S,) int64, 0 none, 1 start, 2 checkpoint, 3 finish


class RibbonPoint(NamedTuple):
    """The ribbon at given arc lengths, leading axes those of `s_m`."""

    centre: Tensor  # (..., 3)
    tangent: Tensor  # (..., 3)
    right: Tensor  # (..., 3)
    up: Tensor  # (..., 3)
    half_width_m: Tensor
    curvature: Tensor
    pitch_curvature: Tensor
    wall_m: Tensor
    road: Tensor  # of the nearest station
    surface: Tensor  # of the nearest station, int64


def at(ribbon: Ribbon, s_m: Tensor, closed: bool = False) -> RibbonPoint:
    """The ribbon at arc length `s_m` (any shape): clamped to an open ribbon, wrapped on a closed one.

    Numbers are interpolated linearly, frames re-orthonormalised, surface and road are the nearest station's.
    """
    below, above, fraction = _neighbours(s_m, ribbon.centre.shape[0], closed)
    part = fraction.unsqueeze(-1)
    tangent = _unit(torch.lerp(ribbon.tangent[below], ribbon.tangent[above], part))
    upward = torch.lerp(ribbon.up[below], ribbon.up[above], part)
    right = _unit(torch.linalg.cross(tangent, upward))
    nearest = torch.where(fraction < 0.5, below, above)

    def mix(values: Tensor) -> Tensor:
        return torch.lerp(values[below], values[above], fraction)

    return RibbonPoint(
        centre=torch.lerp(ribbon.centre[below], ribbon.centre[above], part),
        tangent=tangent,
        right=right,
        up=torch.linalg.cross(right, tangent),
        half_width_m=mix(ribbon.half_width_m),
        curvature=mix(ribbon.curvature),
        pitch_curvature=mix(ribbon.pitch_curvature),
        wall_m=mix(ribbon.wall_m),
        road=ribbon.road[nearest],
        surface=ribbon.surface[nearest],
    )


def _neighbours(s_m: Tensor, stations: int, closed: bool) -> tuple[Tensor, Tensor, Tensor]:
    position = s_m / SPACING_M
    if closed:
        position = torch.remainder(position, stations)
        whole = position.floor()
        below = whole.long() % stations  # the remainder of a tiny negative number rounds to `stations`
        return below, (below + 1) % stations, position - whole
    position = position.clamp(0, stations - 1)
    below = position.floor().long().clamp(max=stations - 2)
    return below, below + 1, position - below


def _unit(vector: Tensor) -> Tensor:
    return vector / (vector * vector).sum(-1, keepdim=True).sqrt()


@dataclass(frozen=True, eq=False)
class Track:
    """A ribbon with the rules of its race; arc lengths in metres from the ribbon's first station."""

    name: str
    ribbon: Ribbon
    start_m: float  # where the cars stand
    finish_m: float  # unrolled: beyond `length_m` where laps are driven
    checkpoints_m: tuple[float, ...] = ()  # unrolled, ascending, without the finish
    closed: bool = False
    laps: int = 1
    spacing_m: float = SPACING_M
    description: str = ""
    author_time_ms: int | None = None
    line_half_width_m: float = 0.0  # of a track along a reference line
    source: TrackSource | None = None  # None for those that ship

    @property
    def length_m(self) -> float:
        """Length of the ribbon (one lap of a closed one)."""
        stations = self.ribbon.centre.shape[0]
        return (stations if self.closed else stations - 1) * self.spacing_m

    @property
    def medals_ms(self) -> dict[str, int]:
        """Author, gold, silver and bronze times, the last three as the game's editor proposes them
        (1.06, 1.2 and 1.5 times the author time, up to the next second); empty without an author time.
        """
        if self.author_time_ms is None:
            return {}
        ratios = {"gold": 1.06, "silver": 1.2, "bronze": 1.5}
        seconds = {name: math.ceil(self.author_time_ms * ratio / 1000) for name, ratio in ratios.items()}
        return {"author": self.author_time_ms} | {name: 1000 * value for name, value in seconds.items()}

    def same_road(self, other: Track) -> bool:
        """Whether both are one road with one start and one finish, whatever their names are."""
        places = [(each.start_m, each.finish_m, each.closed, each.laps) for each in (self, other)]
        pairs = zip(self.ribbon, other.ribbon, strict=True)
        return places[0] == places[1] and all(torch.equal(a.cpu(), b.cpu()) for a, b in pairs)

    def at(self, s_m: Tensor) -> RibbonPoint:
        """The ribbon at unrolled arc length `s_m`."""
        return at(self.ribbon, s_m, self.closed)

    def line(self) -> np.ndarray:
        """Reference line (N, 3) float64 from start to finish, laps unrolled, half a metre apart.

        As in published reference lines, the middle of the last two points is the end of the race.
        """
        count = int((self.finish_m - self.start_m) / self.spacing_m + 0.5) + 1
        last_m = self.finish_m + self.spacing_m / 2
        s_m = last_m - self.spacing_m * torch.arange(count - 1, -1, -1, dtype=torch.float64)
        centre = self.ribbon.centre.double()
        below, above, fraction = _neighbours(s_m.to(centre.device), centre.shape[0], self.closed)
        return torch.lerp(centre[below], centre[above], fraction.unsqueeze(-1)).cpu().numpy()

    def gate_centres(self) -> Tensor:
        """Centres (C, 3) of the blocks with start, checkpoints and finish; each once, however many laps."""
        return self.ribbon.centre[self.ribbon.gate != NO_GATE]

    def to(self, device: torch.device | str) -> Track:
        """The same track with its ribbon on `device`."""
        ribbon = Ribbon(*(values.to(device) for values in self.ribbon))
        return dataclasses.replace(self, ribbon=ribbon)


class Profile(NamedTuple):
    """What `assemble` turns into a ribbon: (S,) or (S, 3) float64 arrays at stations half a metre apart."""

    centre: np.ndarray  # (S, 3)
    bank_rad: np.ndarray  # > 0 lowers the right edge
    half_width_m: np.ndarray
    wall_m: np.ndarray
    surface: np.ndarray  # int
    road: np.ndarray
    gate: np.ndarray  # int


def assemble(profile: Profile, closed: bool) -> Ribbon:
    """Frames and curvatures from the centreline by central differences; walls cut where curves are tight."""
    tangent = _normalised(_slope(profile.centre, closed))
    level = _normalised(np.cross(tangent, [0.0, 1.0, 0.0]))
    upright = np.cross(level, tangent)
    cos, sin = np.cos(profile.bank_rad)[:, None], np.sin(profile.bank_rad)[:, None]
    right, up = cos * level - sin * upright, cos * upright + sin * level
    bend = _slope(tangent, closed)
    curvature, pitch_curvature = (bend * right).sum(-1), (bend * up).sum(-1)
    wall = np.minimum(profile.wall_m, 0.79 / np.maximum(np.abs(curvature), 1e-9))
    floats = dict(
        centre=profile.centre, tangent=tangent, right=right, up=up, curvature=curvature,
        pitch_curvature=pitch_curvature, wall_m=wall, road=profile.road,
        half_width_m=np.minimum(profile.half_width_m, wall),
    )  # fmt: skip
    tensors = {name: torch.tensor(values, dtype=torch.float32) for name, values in floats.items()}
    whole = {"surface": torch.tensor(profile.surface).long(), "gate": torch.tensor(profile.gate).long()}
    return Ribbon(**tensors, **whole)


def _slope(values: np.ndarray, closed: bool) -> np.ndarray:
    if closed:
        return (np.roll(values, -1, axis=0) - np.roll(values, 1, axis=0)) / (2 * SPACING_M)
    return np.gradient(values, SPACING_M, axis=0)


def _normalised(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
