"""`progress.advance` and `finish` as one loop over cars that stops where the walk does: equal to the bit.

Letters in shapes: E cars, M line points, C zones with gates (M, or none).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from btr_tm.core.kernels import ZERO, Floats, Integers, Number, kernel, part, positive, sum3
from btr_tm.race.gates import CheckpointGates, NoGates
from btr_tm.race.progress import AHEAD, BACK, REACH_M, Progress
from btr_tm.race.reference_line import ReferenceLine


class Line(NamedTuple):
    """The line as `_advance` takes it."""

    points: Floats  # (M, 3)
    segments: Floats  # (M - 2, 8)
    gate_centre: Floats  # (C, 3)
    gate_square: Floats  # (C,)
    finish_zone: int
    total_m: np.float32
    deck_height_m: np.float32
    near: np.float32  # squared distance within which a point is entered
    ahead: int  # zones searched
    back: int


class ProgressArrays(NamedTuple):
    """The fields of Progress, as arrays that a kernel changes."""

    zone: Integers  # (E,)
    furthest_zone: Integers
    metres: Floats
    furthest_metres: Floats
    last_advance_ms: Integers


class KernelAdvance:
    """Progress along a line with gates that a kernel knows."""

    def __init__(self, line: ReferenceLine) -> None:
        assert can_advance(line)
        centre, square = torch.zeros(0, 3), torch.zeros(0)
        if isinstance(line.gates, CheckpointGates):
            centre, square = line.gates.centre, line.gates.square
        self.line = Line(
            points=_array(line.points),
            segments=_array(line.segments),
            gate_centre=_array(centre),
            gate_square=_array(square),
            finish_zone=line.finish_zone,
            total_m=np.float32(line.total_m),
            deck_height_m=np.float32(line.deck_height_m),
            near=np.float32(REACH_M**2),
            ahead=AHEAD,
            back=BACK,
        )

    def __call__(self, before: Progress, position: Tensor, time_ms: Tensor, finished: Tensor) -> Progress:
        """Progress of cars that came to `position` (E, 3) at `time_ms` (E,); of those `finished` (E,) too."""
        after = Progress(*(values.clone(memory_format=torch.contiguous_format) for values in before))
        where, clock, home = map(_array, (position, time_ms, finished))
        _advance(ProgressArrays(*map(_array, after)), where, clock, home, self.line)
        return after


def _array(values: Tensor) -> np.ndarray:
    return values.contiguous().numpy()


def can_advance(line: ReferenceLine) -> bool:
    """Whether a kernel knows the gates of `line`."""
    return type(line.gates) in (NoGates, CheckpointGates)


@part
def _square(points: Floats, zone: int, place: Floats) -> Number:
    """Squared distance to a line point."""
    row = points[max(zone, 0)]
    x, y, z = row[0] - place[0], row[1] - place[1], row[2] - place[2]
    return x * x + y * y + z * z


@part
def _open(zone: int, place: Floats, centre: Floats, square: Floats) -> bool:
    """Whether a car may leave the zone forwards."""
    if len(square) == 0:
        return True
    gate = centre[max(zone, 0)]
    x, y, z = gate[0] - place[0], gate[1] - place[1], gate[2] - place[2]
    return bool(sum3(x * x, y * y, z * z) < square[max(zone, 0)])


@part
def _step(zone: int, place: Floats, line: Line) -> int:
    """How many zones the car goes on along the line, or back."""
    here = _square(line.points, zone, place)
    steps, last = 0, here
    for step in range(min(line.ahead, line.finish_zone - 1 - zone)):
        there = _square(line.points, zone + step + 1, place)
        if not (there - last <= ZERO and there <= line.near):
            break
        if not _open(zone + step, place, line.gate_centre, line.gate_square):
            break
        steps, last = step + 1, there
    if steps > 0:
        return steps
    last = here
    for step in range(min(line.back, zone - 1)):
        there = _square(line.points, zone - step - 1, place)
        if not (last - there > ZERO and there <= line.near):
            break
        steps, last = step + 1, there
    return -steps


@part
def _metres_at(zone: int, place: Floats, segments: Floats) -> Number:
    segment = segments[zone - 1]
    along = positive(
        sum3(
            (place[0] - segment[0]) * segment[3],
            (place[1] - segment[1]) * segment[4],
            (place[2] - segment[2]) * segment[5],
        )
    )
    return segment[6] + (segment[7] if along > segment[7] else along)


@part
def advance_car(
    progress: ProgressArrays, e: int, place: Floats, time_ms: int, finished: bool, line: Line
) -> None:
    """Changes the progress of car `e`, which came to `place` (3,) at `time_ms`."""
    zone = progress.zone[e]
    if place[1] > line.deck_height_m:
        zone += _step(zone, place, line)
    here_m = _metres_at(zone, place, line.segments)
    if zone > progress.furthest_zone[e]:
        progress.last_advance_ms[e] = time_ms
    if finished:
        zone, here_m = line.finish_zone, line.total_m
        progress.furthest_metres[e] = here_m
    progress.zone[e], progress.metres[e] = zone, here_m
    progress.furthest_zone[e] = max(progress.furthest_zone[e], zone)
    progress.furthest_metres[e] = max(progress.furthest_metres[e], here_m)


@kernel
def _advance(
    progress: ProgressArrays, position: Floats, time_ms: Integers, finished: np.ndarray, line: Line
) -> None:
    """Changes the progress of all cars (E,)."""
    for e in range(len(position)):
        advance_car(progress, e, position[e], time_ms[e], finished[e], line)
