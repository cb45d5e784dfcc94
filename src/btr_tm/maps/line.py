"""Reference lines from where a car was: points half a metre apart, as published lines have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import Akima1DInterpolator

from btr_tm.core.errors import UserError
from btr_tm.race.line_points import LEAST_POINTS, MOST_POINTS, positions_in

Array = NDArray[np.float64]
SPACING_M = 0.5
FASTEST_MPS = 300.0  # the game's cars reach 1,000 km/h
STANDING_M = 0.25  # a car within it, at the start or the end, has not moved
PIECE_M = 0.02  # of the curve through the records, as it is measured
MOST_PIECES = 4_000_000
DECIMALS = 4  # as published; a tenth of a millimetre


def line_of(times_s: NDArray[np.generic], positions: NDArray[np.generic], source: str) -> Array:
    """Points (N, 3), SPACING_M apart, along `positions` (T, 3) at ascending `times_s` (T,).

    Between the records the car followed a smooth curve (Akima's, which one bad record disturbs only around
    it). The middle of the last two points is the last position, as in published lines. UserError that names
    `source` and the time of what cannot be a race.
    """
    given = positions_in(positions, source)
    times = np.asarray(times_s, dtype=np.float64)
    _refuse_jumps(times, given, source)
    times, given = _moving(times, given)
    driven_m = float(np.linalg.norm(np.diff(given, axis=0), axis=1).sum()) if len(given) > 1 else 0.0
    if not LEAST_POINTS * SPACING_M < driven_m < MOST_POINTS * SPACING_M:
        raise UserError(
            f"{source}: a line must be {LEAST_POINTS * SPACING_M:g} to {MOST_POINTS * SPACING_M:,.0f} m "
            f"long, and the car drives {driven_m:,.1f} m"
        )
    return np.round(_evenly(_curve(times, given, driven_m)), DECIMALS)


def until(times_s: Array, positions: Array, end_s: float) -> tuple[Array, Array]:
    """Times and positions up to `end_s`, with the one at `end_s` between two records."""
    if end_s >= times_s[-1]:
        return times_s, positions
    before = times_s < end_s
    at_end = [np.interp(end_s, times_s, positions[:, axis]) for axis in range(3)]
    return np.append(times_s[before], end_s), np.concatenate((positions[before], [at_end]))


def _refuse_jumps(times: Array, positions: Array, source: str) -> None:
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    bad = np.flatnonzero(steps > FASTEST_MPS * np.diff(times) + SPACING_M)
    if len(bad):
        raise UserError(
            f"{source}: the car jumps {steps[bad[0]]:,.1f} m at {times[bad[0]]:.2f} s, as if set back "
            "to a checkpoint; use a race without that"
        )


def _moving(times: Array, positions: Array) -> tuple[Array, Array]:
    """Without the records in which the car stands, but for the first and the last."""
    from_start = np.linalg.norm(positions - positions[0], axis=1) > STANDING_M
    from_end = np.linalg.norm(positions - positions[-1], axis=1) > STANDING_M
    if not from_start.any():
        return times[:1], positions[:1]
    first = max(0, int(from_start.argmax()) - 1)
    last = min(len(positions) - 1, len(positions) - int(from_end[::-1].argmax()))
    kept = positions[first : last + 1].copy()
    kept[0], kept[-1] = positions[0], positions[-1]
    return times[first : last + 1], kept


def _curve(times: Array, positions: Array, driven_m: float) -> Array:
    """Points (K, 3) close to each other on a smooth curve through `positions`."""
    pieces = min(max(round(driven_m / PIECE_M / len(times)), 4), MOST_PIECES // len(times))
    fractions = np.arange(pieces) / pieces
    between = (times[:-1, None] + fractions * np.diff(times)[:, None]).ravel()
    return np.asarray(Akima1DInterpolator(times, positions)(np.append(between, times[-1])))


def _evenly(curve: Array) -> Array:
    """Points at equal distances along a curve, of which the last lies half a step beyond its end."""
    travelled = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))))
    count = round(travelled[-1] / SPACING_M + 0.5)
    step_m = travelled[-1] / (count - 0.5)
    along = step_m * np.arange(count)
    points = np.stack([np.interp(along, travelled, curve[:, axis]) for axis in range(3)], axis=1)
    beyond = 2 * curve[-1] - points[-1]
    return np.concatenate((points, [beyond]))
