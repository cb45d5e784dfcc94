"""A track from above as paths of an SVG, in decimetres, never mirrored; tall tracks lie on their side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from btr_tm.report.plots import stretches
from btr_tm.sim.track.ribbon import CHECKPOINT_GATE, FINISH_GATE, START_GATE, Track

Array = np.ndarray
STATIONS = 1600  # of the road's outline at most
MARGIN = 250  # decimetres around the road
GATES = {START_GATE: "start", CHECKPOINT_GATE: "checkpoint", FINISH_GATE: "finish"}


class Gate(NamedTuple):
    """A line across the road."""

    kind: str
    path: str


class TrackMap(NamedTuple):
    """The road and how world points come onto it."""

    name: str
    turned: bool
    road: str  # outline, filled
    centre: str  # line along the middle
    gates: tuple[Gate, ...]
    box: tuple[int, int, int, int]  # x, y, width, height

    def place(self, points: Array) -> Array:
        """Columns and rows (2, T) in decimetres of world points (T, 3)."""
        return plan(points, self.turned).T


def plan(points: Array, turned: bool) -> Array:
    """(T, 3) -> (T, 2): x to the right and z down, or that turned by a quarter."""
    x, z = 10 * points[:, 0], 10 * points[:, 2]
    return np.stack([z, -x] if turned else [x, z], axis=1)


def track_map(track: Track) -> TrackMap:
    """The map of a track."""
    ribbon = track.ribbon
    centre, right = ribbon.centre.cpu().numpy(), ribbon.right.cpu().numpy()
    width = ribbon.half_width_m.cpu().numpy()[:, None]
    extent = np.ptp(centre, axis=0)
    turned = bool(extent[2] > extent[0])
    middle, left, far = (
        plan(points, turned) for points in (centre, centre - right * width, centre + right * width)
    )
    parts = [thin(first, last) for first, last in stretches(ribbon.road.cpu().numpy() > 0.5)]
    if track.closed and len(parts) == 1:
        parts = [[*parts[0], parts[0][0]]]
    gates = ribbon.gate.cpu().numpy()
    low, high = np.minimum(left, far).min(axis=0) - MARGIN, np.maximum(left, far).max(axis=0) + MARGIN
    return TrackMap(
        name=track.name,
        turned=turned,
        road="".join(path(np.concatenate([left[part], far[part][::-1]])) + "z" for part in parts),
        centre="".join(path(middle[part]) for part in parts),
        gates=tuple(
            Gate(GATES[int(gates[at])], path(np.stack([left[at], far[at]]))) for at in np.flatnonzero(gates)
        ),
        box=tuple(np.rint([*low, *(high - low)]).astype(int).tolist()),
    )


def thin(first: int, last: int) -> list[int]:
    """Stations of a stretch of road, both ends among them."""
    count = min(STATIONS, max(2, (last - first) // 4))
    return np.unique(np.linspace(first, last - 1, count).round().astype(int)).tolist()


def path(points: Array) -> str:
    """Points (T, 2) as a path of whole numbers."""
    return "M" + "L".join(f"{x} {y}" for x, y in np.rint(points).astype(int).tolist())


def speed_paths(
    x: Sequence[int], y: Sequence[int], speed: Sequence[int], edges: Sequence[float]
) -> list[tuple[int, str]]:
    """A line as pieces of one colour each: its number and a path. A colour begins at its edge in km/h."""
    colours = np.searchsorted(edges, speed[1:], side="right") - 1
    points, found = np.stack([x, y], axis=1), []
    cuts = [0, *(np.flatnonzero(np.diff(colours)) + 1).tolist(), len(colours)]
    for first, last in zip(cuts, cuts[1:], strict=False):
        found.append((max(0, int(colours[first])), path(points[first : last + 1])))
    return found
