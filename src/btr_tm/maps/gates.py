"""Whether a line belongs to a map: it passes each of its gates, from the start to the finish."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from btr_tm.maps.check import Fault
from btr_tm.maps.gbx.challenge import Course
from btr_tm.race.gates import RADIUS_M

Array = NDArray[np.float64]
START_M = 100.0  # within the first and last metres lie start and finish


def gate_faults(points: Array, course: Course) -> list[Fault]:
    """What is wrong with `points` (N, 3) as a line on the map of `course`, in order of place."""
    metres = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))))
    return sorted([*_missed(points, metres, course), *_direction(points, metres, course)])


def _missed(points: Array, metres: Array, course: Course) -> Iterator[Fault]:
    """Checkpoints that the line does not come near; a car on it would not be let through."""
    for block in course.checkpoints:
        away = np.linalg.norm(points - block.centre_m, axis=1)
        nearest = int(away.argmin())
        if away[nearest] >= RADIUS_M:
            cell = f"{block.x}, {block.y}, {block.z}"
            what = f"the line passes {away[nearest]:.0f} m from the checkpoint in cell {cell}"
            yield Fault(float(metres[nearest]), f"{what}, instead of within {RADIUS_M:g} m", False)


def _direction(points: Array, metres: Array, course: Course) -> Iterator[Fault]:
    """A line that begins where the race ends."""
    starts = [block.centre_m for block in course.gates if "Start" in block.name]
    ends = [block.centre_m for block in course.gates if "Finish" in block.name]
    if not starts or not ends:
        return
    first, last = points[metres < START_M], points[metres > metres[-1] - START_M]
    to_start, to_end = _nearest(first, starts), _nearest(first, ends)
    if to_end < RADIUS_M < to_start and _nearest(last, starts) < RADIUS_M:
        what = (
            "the line begins at the finish of the map and ends at its start; turn it round with points[::-1]"
        )
        yield Fault(0.0, what, True)
    elif to_start >= RADIUS_M:
        yield Fault(
            0.0, f"the line begins {to_start:.0f} m from the map's start; is it of another map?", False
        )


def _nearest(points: Array, centres: list[tuple[float, float, float]]) -> float:
    return min(float(np.linalg.norm(points - centre, axis=1).min()) for centre in centres)
