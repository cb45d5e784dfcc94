"""Tracks from a reference line: a replay's path, sampled every half metre, as a road of one width."""

from __future__ import annotations

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.race.line_points import SPAN, checked, refuse_standstill
from btr_tm.sim.track.ribbon import FINISH_GATE, SPACING_M, START_GATE, Profile, Track, assemble

RUN_UP_M = 20.0  # of road before the first point
RUN_OFF_M = 150.0  # of road beyond the finish, so that the driver sees where it goes on
SMOOTHING_M = 4.0  # standard deviation; recorded positions are rounded to about 0.1 m
FENCE_M = 5.0  # beyond the road's edge
LEAST_LEVEL = 0.17  # metres on the map per metre driven, at 80 degrees


def line_track(
    points: np.ndarray, half_width_m: float = 12.0, name: str = "line", source: str = "line"
) -> Track:
    """A road of 2 x `half_width_m` along `points` (N, 3), level across, asphalt, without checkpoints.

    The race starts at the first point and ends in the middle of the last two.
    """
    refuse_half_width(half_width_m, source)
    points = checked(points, SPACING_M, source)
    _refuse_vertical(points, source)
    centre = _evenly(_smooth(_extended(points)))
    refuse_standstill(centre, points, source)
    near = min(round(4 * RUN_OFF_M), len(centre))
    start = _nearest(centre[:near], points[0])
    finish = len(centre) - near + _nearest(centre[-near:], (points[-1] + points[-2]) / 2)
    ones, nothing = np.ones(len(centre)), np.zeros(len(centre), dtype=np.int64)
    gate = nothing.copy()
    gate[[start, finish]] = START_GATE, FINISH_GATE
    wall = (half_width_m + FENCE_M) * ones
    profile = Profile(centre, 0 * ones, half_width_m * ones, wall, nothing, ones, gate)
    ribbon = assemble(profile, closed=False)
    return Track(
        name,
        ribbon,
        start * SPACING_M,
        finish * SPACING_M,
        description=f"reference line {source}",
        line_half_width_m=half_width_m,
    )


def refuse_half_width(half_width_m: float, source: str) -> None:
    """UserError unless a road can be that wide."""
    if not 4 <= half_width_m <= 32:
        raise UserError(f"{source}: the half width must be from 4 to 32 m, got {half_width_m}")


def _refuse_vertical(points: np.ndarray, source: str) -> None:
    """A road needs a direction on the map."""
    ahead = points[SPAN:] - points[:-SPAN]
    level = np.linalg.norm(ahead[:, [0, 2]], axis=1)
    bad = np.flatnonzero(level < LEAST_LEVEL * np.linalg.norm(ahead, axis=1))
    if len(bad):
        raise UserError(
            f"{source}: the line is vertical near point {bad[0]}, and the simulator has no walls or loops; "
            "use the part of the line before or after"
        )


def _extended(points: np.ndarray) -> np.ndarray:
    """With a straight run-up and run-off in the directions of the first and last metres."""
    before = _ray(points[0], points[0] - points[4], RUN_UP_M)[::-1]
    level = (points[-1] - points[-5]) * [1, 0, 1]
    return np.concatenate([before, points, _ray(points[-1], level, RUN_OFF_M)])


def _ray(origin: np.ndarray, direction: np.ndarray, length_m: float) -> np.ndarray:
    ahead = np.arange(1, round(length_m / SPACING_M) + 1)[:, None] * SPACING_M
    return origin + ahead * direction / np.linalg.norm(direction)


def _smooth(points: np.ndarray) -> np.ndarray:
    """Gaussian window over the points, the ends continued by point reflection."""
    reach = round(3 * SMOOTHING_M / SPACING_M)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) * SPACING_M / SMOOTHING_M) ** 2)
    before = 2 * points[0] - points[reach:0:-1]
    after = 2 * points[-1] - points[-2 : -reach - 2 : -1]
    padded = np.concatenate([before, points, after])
    axes = [np.convolve(padded[:, axis], window / window.sum(), mode="valid") for axis in range(3)]
    return np.stack(axes, -1)


def _evenly(points: np.ndarray) -> np.ndarray:
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    s_m = np.arange(int(travelled[-1] / SPACING_M) + 1) * SPACING_M
    return np.stack([np.interp(s_m, travelled, points[:, axis]) for axis in range(3)], -1)


def _nearest(centre: np.ndarray, point: np.ndarray) -> int:
    return int(np.linalg.norm(centre - point, axis=-1).argmin())
