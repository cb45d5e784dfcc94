"""The float vector, and what it remembers, as one loop over cars: equal to `features` to the bit.

Letters in shapes: E cars, M line points, P actions remembered, A of a decision, F floats, W = 4 wheels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from btr_tm.core.kernels import ONE, ZERO, Floats, Integers, Number, kernel, part
from btr_tm.race.actions_kernel import held_keys
from btr_tm.race.car import CarState
from btr_tm.race.car_arrays import CarArrays
from btr_tm.race.features import REMAINING_CAP_M, CameraFeatures, Features, FeatureSet, History
from btr_tm.race.progress import Progress
from btr_tm.race.progress_kernel import ProgressArrays
from btr_tm.race.reference_line import ReferenceLine

GROUPS = 4  # of materials that have a float for each wheel


class HistoryArrays(NamedTuple):
    """The fields of History, as arrays that a kernel changes."""

    previous_actions: Floats  # (E, P, 4)
    gearbox_count: Floats  # (E,)
    delay_s: Floats  # (E,)


class Ahead(NamedTuple):
    """The line points in the floats."""

    points: Floats  # (M, 3) of the line
    number: int
    step: int
    with_finish: bool  # the metres left to it follow
    with_delay: bool  # of actions, the last float
    total_m: np.float32
    most_m: np.float32  # to the finish


class KernelObserve:
    """History and floats, for feature sets that a kernel knows."""

    def __init__(self, features: FeatureSet, line: ReferenceLine) -> None:
        assert can_observe(features)
        self.ahead = Ahead(
            points=_array(line.points),
            number=features.line_points if isinstance(features, Features) else 0,
            step=features.point_step if isinstance(features, Features) else 1,
            with_finish=isinstance(features, Features),
            with_delay="action_delay_s" in features.layout,
            total_m=np.float32(line.total_m),
            most_m=np.float32(REMAINING_CAP_M),
        )
        self._size = features.layout.size

    def __call__(
        self, before: History, action: Tensor, car: CarState, progress: Progress
    ) -> tuple[History, Tensor]:
        """The history after `action`, (E,) or (E, A), and the floats (E, F)."""
        after = History(*(values.clone(memory_format=torch.contiguous_format) for values in before))
        floats = torch.empty(len(action), self._size)
        actions = action.unsqueeze(1) if action.dim() == 1 else action
        history, where = HistoryArrays(*map(_array, after)), ProgressArrays(*map(_array, progress))
        _observe(history, _array(actions), CarArrays(*map(_array, car)), where, self.ahead, floats.numpy())
        return after, floats


def can_observe(features: FeatureSet) -> bool:
    """Whether a kernel knows this kind of features."""
    return type(features) in (Features, CameraFeatures)


def _array(values: Tensor) -> np.ndarray:
    return values.contiguous().numpy()


@part
def turned(row: Floats, at: int, axes: Floats, x: Number, y: Number, z: Number) -> int:
    """Writes a world vector as the car sees it; gives the place after it."""
    for axis in range(3):
        row[at + axis] = x * axes[0, axis] + y * axes[1, axis] + z * axes[2, axis]
    return at + 3


@part
def copied(row: Floats, at: int, values: Floats) -> int:
    for number in range(len(values)):
        row[at + number] = values[number]
    return at + len(values)


@part
def _remember(previous: Floats, actions: Integers) -> None:
    """Moves the last actions (P, 4) on, and adds new ones (A,) as keys, oldest first."""
    keep, count = len(previous), len(actions)
    for number in range(keep):
        later = number + count
        if later < keep:
            for key in range(4):
                previous[number, key] = previous[later, key]
        else:
            gas, brake, left, right = held_keys(actions[later - keep])
            previous[number, 0], previous[number, 1] = gas, brake
            previous[number, 2], previous[number, 3] = left, right


@part
def _own_parts(row: Floats, e: int, car: CarArrays, history: HistoryArrays) -> int:
    """Writes from the clock to the surfaces; gives the place after them."""
    row[0] = ZERO
    at, actions, count = 1, history.previous_actions[e], history.gearbox_count[e]
    for number in range(len(actions)):
        at = copied(row, at, actions[number])
    at = copied(row, at, car.wheel_sliding[e])
    at = copied(row, at, car.wheel_contact[e])
    at = copied(row, at, car.damper_m[e])
    row[at], row[at + 1], row[at + 2], row[at + 3] = car.gearbox_state[e], car.gear[e], car.rpm[e], count
    at += 4
    for wheel in range(4):
        for group in range(GROUPS):
            row[at + group] = ONE if car.surface[e, wheel] == group else ZERO
        at += GROUPS
    return at


@part
def _line_ahead(row: Floats, at: int, axes: Floats, place: Floats, zone: int, ahead: Ahead) -> int:
    """Writes the line points as the car sees them; gives the place after them.

    `turned` would read the axes anew for every point: they might lie where it writes.
    """
    left, up, forward = axes[0, 0], axes[0, 1], axes[0, 2]
    left_y, up_y, forward_y = axes[1, 0], axes[1, 1], axes[1, 2]
    left_z, up_z, forward_z = axes[2, 0], axes[2, 1], axes[2, 2]
    car_x, car_y, car_z = place[0], place[1], place[2]
    for number in range(ahead.number):
        point = ahead.points[zone + number * ahead.step]
        x, y, z = point[0] - car_x, point[1] - car_y, point[2] - car_z
        row[at] = x * left + y * left_y + z * left_z
        row[at + 1] = x * up + y * up_y + z * up_z
        row[at + 2] = x * forward + y * forward_y + z * forward_z
        at += 3
    return at


@part
def observe_car(
    history: HistoryArrays,
    e: int,
    actions: Integers,
    car: CarArrays,
    progress: ProgressArrays,
    ahead: Ahead,
    row: Floats,
) -> None:
    """Remembers the actions (A,) of car `e`, and writes its floats (F,)."""
    busy = car.gearbox_state[e] != ZERO
    history.gearbox_count[e] = history.gearbox_count[e] + ONE if busy else ZERO
    _remember(history.previous_actions[e], actions)
    axes, spin, speed = car.rotation[e], car.angular_velocity[e], car.velocity[e]
    at = _own_parts(row, e, car, history)
    at = turned(row, at, axes, spin[0], spin[1], spin[2])
    at = turned(row, at, axes, speed[0], speed[1], speed[2])
    at = copied(row, at, axes[1])  # world up in car axes
    at = _line_ahead(row, at, axes, car.position[e], progress.zone[e], ahead)
    if ahead.with_finish:
        remaining = ahead.total_m - progress.metres[e]
        row[at] = ahead.most_m if remaining > ahead.most_m else remaining
        at += 1
    row[at] = car.freewheeling[e]
    if ahead.with_delay:
        row[at + 1] = history.delay_s[e]


@kernel
def _observe(
    history: HistoryArrays,
    actions: Integers,
    car: CarArrays,
    progress: ProgressArrays,
    ahead: Ahead,
    floats: Floats,
) -> None:
    """Changes the history after actions (E, A), and writes floats (E, F)."""
    for e in range(len(floats)):
        observe_car(history, e, actions[e], car, progress, ahead, floats[e])
