"""Everything that is wrong with a line, each as one sentence with its place in metres.

Loading a line (`race.line_points`) stops at the first fault; this finds all that real lines have had.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from btr_tm.race.line_points import NARROWEST, SPAN, STANDING, WIDEST, moving_rows, positions_in

Array = NDArray[np.float64]
CELL_M = 2.0  # of the grid in which places that a line passes twice are found
NEAR_M = 4.0  # passes closer than this are told
LAP_M = 20.0  # along the line, from which on a place counts as passed again
RESAMPLE = "resample the line with `map make`"
RECORD_AGAIN = "cut it there or record it again"
FORWARDS = 0.9  # cosine; a step within it goes on where the one before led


class Fault(NamedTuple):
    """One place of a line that is not as it should be."""

    metres: float  # along the line
    sentence: str
    refused: bool  # whether the line cannot be used before this is mended


def faults(points: NDArray[np.generic], spacing_m: float, source: str, uneven: str = RESAMPLE) -> list[Fault]:
    """What is wrong with `points` (N, 3), in order of place; UserError if they are no points at all.

    `uneven` is what to do about points that are too near or too far from each other.
    """
    given = positions_in(points, source)
    rows = moving_rows(given, STANDING * spacing_m)
    line = given[rows]
    if len(line) < 2:
        return [Fault(0.0, "the car never moves; record the line again", refused=True)]
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    metres = np.concatenate(([0.0], np.cumsum(steps)))
    found = [*_standing(rows, len(given), metres), *_uneven(line, steps, metres, spacing_m, uneven)]
    found += [*_turning_back(line, steps, metres), *_passed_twice(line, metres)]
    return sorted(found)


def _standing(rows: NDArray[np.int64], count: int, metres: Array) -> Iterator[Fault]:
    """Places where the car stands; they count once, so that the line can be used all the same."""
    still = np.diff(rows, append=count) - 1
    for place in np.flatnonzero(still).tolist():
        where = "before it starts" if place == 0 else "at the end" if place == len(rows) - 1 else "on the way"
        points = "one more point" if still[place] == 1 else f"{still[place]} more points"
        yield Fault(
            float(metres[place]), f"the car stands still {where}, for {points}; such points count once", False
        )


def _uneven(line: Array, steps: Array, metres: Array, spacing_m: float, advice: str) -> Iterator[Fault]:
    """Steps that are too long or too short; if most are, that is one fault of the whole line."""
    narrow, wide = steps < NARROWEST * spacing_m, steps > WIDEST * spacing_m
    if (narrow | wide).mean() > 0.5:
        apart = f"points are about {np.median(steps):.3g} m apart instead of {spacing_m:g} m"
        yield Fault(0.0, f"{apart}; {advice}", True)
        return
    for first, last in stretches(narrow):
        apart = f"{last - first} points lie only {steps[first:last].mean():.2g} m apart"
        yield Fault(float(metres[first]), f"{apart}; {advice}", True)
    for at in np.flatnonzero(wide).tolist():
        ahead = line[at] - line[max(0, at - SPAN)]
        step = line[at + 1] - line[at]
        along = ahead @ step >= FORWARDS * np.linalg.norm(ahead) * steps[at]
        if along and at > 0:
            what = f"points are missing over {steps[at]:.3g} m; {advice}"
        else:
            what = f"the line jumps {steps[at]:.3g} m to another place; {RECORD_AGAIN}"
        yield Fault(float(metres[at]), what, True)


def _turning_back(line: Array, steps: Array, metres: Array) -> Iterator[Fault]:
    """Where a few points get less than half as far as they travel."""
    if len(line) <= SPAN:
        return
    travelled = np.convolve(steps, np.ones(SPAN), mode="valid")
    ahead = np.linalg.norm(line[SPAN:] - line[:-SPAN], axis=1) / travelled
    for first, last in stretches(ahead < 0.5):
        tip = first + int(ahead[first:last].argmin()) + SPAN // 2
        what = f"the line turns back, against the direction of the race; {RECORD_AGAIN}"
        yield Fault(float(metres[tip]), what, True)


def _passed_twice(line: Array, metres: Array) -> Iterator[Fault]:
    """Where the line comes near a place that it passed before; allowed, since tracks cross and have laps."""
    before = _first_passes(line)
    again = metres - metres[before] > LAP_M
    again &= np.linalg.norm(line - line[before], axis=1) < NEAR_M
    for first, last in stretches(again, join=round(LAP_M)):
        length_m, there = metres[last - 1] - metres[first], metres[before[first]]
        if length_m > 10 * LAP_M:
            what = f"the line runs for {length_m:.0f} m where it was from {there:.1f} m on, as in another lap"
        else:
            what = f"the line crosses itself: it was there at {there:.1f} m"
        yield Fault(float(metres[first]), f"{what}; no fault if the track does", False)


def _first_passes(line: Array) -> NDArray[np.int64]:
    """For each point, the first one in its cell of the grid or in those around it."""
    cells = np.floor((line - line.min(0)) / CELL_M).astype(np.int64) + 1
    size = cells.max(0) + 2
    keys = (cells[:, 0] * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    known, first = np.unique(keys, return_index=True)
    found = np.arange(len(line))
    around = np.array(np.meshgrid(*3 * [[-1, 0, 1]])).reshape(3, -1).T
    for offset in around @ [size[1] * size[2], size[2], 1]:
        place = np.minimum(np.searchsorted(known, keys + offset), len(known) - 1)
        found = np.minimum(found, np.where(known[place] == keys + offset, first[place], len(line)))
    return found


def stretches(flags: NDArray[np.bool_], join: int = 1) -> list[tuple[int, int]]:
    """First and past-the-last index of each stretch of True, over holes of less than `join` too."""
    on = np.flatnonzero(flags)
    if len(on) == 0:
        return []
    cuts = np.flatnonzero(np.diff(on) > join)
    firsts, lasts = on[np.r_[0, cuts + 1]], on[np.r_[cuts, len(on) - 1]] + 1
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
