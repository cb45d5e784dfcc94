"""What points must satisfy to be a reference line; the first that does not is named by its row, from 0."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from btr_tm.core.errors import UserError
from btr_tm.core.files import MIB, read_npy, short

FILE_BYTES = 32 * MIB
LEAST_POINTS = 100
MOST_POINTS = 200_000  # 100 km at half a metre
MOST_ROWS = 1_000_000  # with those where the car stands still
FARTHEST_M = 1e7  # from the origin
STANDING = 0.05  # of the spacing; points closer to each other are one place where the car stood
NARROWEST, WIDEST = 0.4, 2.0  # steps in terms of the spacing; recorded positions are rounded
SPAN = 4  # points over which a line must get ahead


def read_points(path: str | Path) -> NDArray[np.generic]:
    """The array in an `.npy` file; UserError if there is none."""
    return read_npy(path, FILE_BYTES)


def checked(points: NDArray[np.generic], spacing_m: float, source: str) -> NDArray[np.float64]:
    """`points` (N, 3) as a line: places where the car stood still count once. UserError names `source`."""
    given = positions_in(points, source)
    rows = moving_rows(given, STANDING * spacing_m)
    line = given[rows]
    if len(line) < LEAST_POINTS:
        still = f", of which {len(given) - len(line)} where the car stands still" * (len(line) < len(given))
        raise UserError(
            f"{source}: a reference line must have at least {LEAST_POINTS} points, got {len(given)}{still}"
        )
    if len(line) > MOST_POINTS:
        raise UserError(f"{source}: a reference line has at most {MOST_POINTS:,} points, got {len(line):,}")
    _refuse_uneven(line, rows, spacing_m, source)
    _refuse_turning_back(line, rows, source)
    return line


def positions_in(points: NDArray[np.generic], source: str) -> NDArray[np.float64]:
    """`points` as finite numbers (N, 3) not too far away; UserError that names `source`."""
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "fiu":
        got = f"{points.shape} of {points.dtype}"
        raise UserError(f"{source}: a reference line must be numbers of shape (N, 3), x, y, z, got {got}")
    if len(points) > MOST_ROWS:
        raise UserError(f"{source}: a reference line has at most {MOST_ROWS:,} rows, got {len(points):,}")
    with np.errstate(all="ignore"):  # what does not fit becomes infinite
        given = points.astype(np.float64)
    bad = np.flatnonzero(~(np.abs(given) < FARTHEST_M).all(axis=1))
    if len(bad):
        wrong = "too far away" if np.isfinite(given[bad[0]]).all() else "not finite"
        where = f"point {bad[0]} is {wrong}: {short(given[bad[0]])}"
        raise UserError(f"{source}: {where}; record the line again or interpolate over it")
    return given


def moving_rows(points: NDArray[np.float64], least_m: float) -> NDArray[np.int64]:
    """Rows that lie at least `least_m` from the row kept before."""
    rows = np.arange(len(points))
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if len(points) == 0 or (steps >= least_m).all():
        return rows
    places = points.tolist()
    kept, before = [0], places[0]
    for row, place in enumerate(places):
        if math.dist(place, before) >= least_m:
            kept.append(row)
            before = place
    return np.array(kept)


def _refuse_uneven(line: NDArray[np.float64], rows: NDArray[np.int64], spacing_m: float, source: str) -> None:
    lengths = np.linalg.norm(np.diff(line, axis=0), axis=1)
    odd = np.flatnonzero((lengths < NARROWEST * spacing_m) | (lengths > WIDEST * spacing_m))
    if len(odd) == 0:
        return
    if len(odd) > len(lengths) / 2:
        raise UserError(
            f"{source}: points of a reference line must be about {spacing_m} m apart, "
            f"got {np.median(lengths):.3g} m; resample it evenly"
        )
    first, second = rows[odd[0]], rows[odd[0] + 1]
    raise UserError(
        f"{source}: point {second} lies {lengths[odd[0]]:.3g} m from point {first}, where about "
        f"{spacing_m} m are expected; cut the line there or record it again"
    )


def _refuse_turning_back(line: NDArray[np.float64], rows: NDArray[np.int64], source: str) -> None:
    lengths = np.linalg.norm(np.diff(line, axis=0), axis=1)
    travelled = np.convolve(lengths, np.ones(SPAN), mode="valid")
    ahead = np.linalg.norm(line[SPAN:] - line[:-SPAN], axis=1) / travelled
    bad = np.flatnonzero(ahead < 0.5)
    if len(bad):
        tip = bad[0] + ahead[bad[0] : bad[0] + SPAN].argmin()
        at = rows[tip + SPAN // 2]
        raise UserError(f"{source}: the line turns back at point {at}; cut it there or record it again")


def refuse_standstill(path: NDArray[np.float64], line: NDArray[np.float64], source: str) -> None:
    """UserError where a smoothed `path` (K, 3) of `line` (N, 3) has no direction, as in small circles."""
    steps = np.diff(path, axis=0)
    bad = np.flatnonzero((steps[1:] * steps[:-1]).sum(axis=1) <= 0)
    if len(bad):
        at = np.linalg.norm(line - path[bad[0] + 1], axis=1).argmin()
        raise UserError(
            f"{source}: the line turns too tightly near point {at}; cut it there or record it again"
        )
