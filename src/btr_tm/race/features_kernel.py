"""The float vector, and what it remembers, as one loop over cars: equal to `features` to the bit.

Letters in shapes: E cars, M line points, P actions remembered, A of a decision, F floats, W = 4 wheels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from btr_tm.core.kernels import ONE, ZERO, Floats, Integers, Number, kernel, part
from btr_tm.race.car import CarState
from btr_tm.race.car_arrays import CarArrays
from btr_tm.race.features import REMAINING_CAP_M, CameraFeatures, Features, FeatureSet, History
from btr_tm.race.progress import Progress
from btr_tm.race.reference_line import ReferenceLine

GROUPS = 4  # of materials that have a float for each wheel


class Ahead(NamedTuple):
    """The line points in the floats."""

    points: Floats  # (M, 3) of the line
    number: int
    step: int
    with_finish: bool  # the metres left to it follow
    total_m: np.float32
    most_m: np.float32  # to the finish


class KernelObserve:
    """History and floats, for feature sets that a kernel knows."""

    def __init__(self, features: FeatureSet, line: ReferenceLine) -> None:
        assert can_observe(features)
        self._ahead = Ahead(
            points=_array(line.points),
            number=features.line_points if isinstance(features, Features) else 0,
            step=features.point_step if isinstance(features, Features) else 1,
            with_finish=isinstance(features, Features),
            total_m=np.float32(line.total_m),
            most_m=np.float32(REMAINING_CAP_M),
        )
        self._size = features.layout.size

    def __call__(
        self, before: History, action: Tensor, car: CarState, progress: Progress
    ) -> tuple[History, Tensor]:
        """The history after `action`, (E,) or (E, A), and the floats (E, F)."""
        after = History(*(torch.empty(values.shape) for values in before))
        floats = torch.empty(len(action), self._size)
        actions = action.unsqueeze(1) if action.dim() == 1 else action
        _observe(
            _array(before.previous_actions),
            _array(before.gearbox_count),
            _array(actions),
            CarArrays(*map(_array, car)),
            _array(progress.zone),
            _array(progress.metres),
            self._ahead,
            after.previous_actions.numpy(),
            after.gearbox_count.numpy(),
            floats.numpy(),
        )
        return after, floats


def can_observe(features: FeatureSet) -> bool:
    """Whether a kernel knows this kind of features."""
    return type(features) in (Features, CameraFeatures)


def _array(values: Tensor) -> np.ndarray:
    return values.contiguous().numpy()


@part
def _turned(row: Floats, at: int, axes: Floats, x: Number, y: Number, z: Number) -> int:
    """Writes a world vector as the car sees it; gives the place after it."""
    for axis in range(3):
        row[at + axis] = x * axes[0, axis] + y * axes[1, axis] + z * axes[2, axis]
    return at + 3


@part
def _copied(row: Floats, at: int, values: Floats) -> int:
    for number in range(len(values)):
        row[at + number] = values[number]
    return at + len(values)


@part
def _remembered(before: Floats, actions: Integers, after: Floats) -> None:
    """Writes the last actions (P, 4) as keys, oldest first."""
    keep, count = len(before), len(actions)
    for number in range(keep):
        old = number + count
        if old < keep:
            for key in range(4):
                after[number, key] = before[old, key]
        else:
            steer, pedals = actions[old - keep] % 3, actions[old - keep] // 3
            after[number, 0] = ONE if pedals == 0 or pedals == 3 else ZERO
            after[number, 1] = ONE if pedals >= 2 else ZERO
            after[number, 2] = ONE if steer == 1 else ZERO
            after[number, 3] = ONE if steer == 2 else ZERO


@part
def _own_parts(row: Floats, e: int, car: CarArrays, actions: Floats, count: Number) -> int:
    """Writes from the clock to the surfaces; gives the place after them."""
    row[0] = ZERO
    at = 1
    for number in range(len(actions)):
        at = _copied(row, at, actions[number])
    at = _copied(row, at, car.wheel_sliding[e])
    at = _copied(row, at, car.wheel_contact[e])
    at = _copied(row, at, car.damper_m[e])
    row[at], row[at + 1], row[at + 2], row[at + 3] = car.gearbox_state[e], car.gear[e], car.rpm[e], count
    at += 4
    for wheel in range(4):
        for group in range(GROUPS):
            row[at + group] = ONE if car.surface[e, wheel] == group else ZERO
        at += GROUPS
    return at


@kernel
def _observe(
    previous: Floats,
    counts: Floats,
    actions: Integers,
    car: CarArrays,
    zones: Integers,
    metres: Floats,
    ahead: Ahead,
    previous_after: Floats,
    counts_after: Floats,
    floats: Floats,
) -> None:
    """From previous (E, P, 4), counts (E,) and actions (E, A) to what is after, and floats (E, F)."""
    for e in range(len(floats)):
        row, axes, place = floats[e], car.rotation[e], car.position[e]
        _remembered(previous[e], actions[e], previous_after[e])
        counts_after[e] = counts[e] + ONE if car.gearbox_state[e] != ZERO else ZERO
        at = _own_parts(row, e, car, previous_after[e], counts_after[e])
        spin, speed = car.angular_velocity[e], car.velocity[e]
        at = _turned(row, at, axes, spin[0], spin[1], spin[2])
        at = _turned(row, at, axes, speed[0], speed[1], speed[2])
        at = _copied(row, at, axes[1])  # world up in car axes
        for number in range(ahead.number):
            point = ahead.points[zones[e] + number * ahead.step]
            at = _turned(row, at, axes, point[0] - place[0], point[1] - place[1], point[2] - place[2])
        if ahead.with_finish:
            remaining = ahead.total_m - metres[e]
            row[at] = ahead.most_m if remaining > ahead.most_m else remaining
            at += 1
        row[at] = car.freewheeling[e]
