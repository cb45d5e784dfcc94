"""The grey training camera as a loop for a CPU: the pictures of `grey.camera`, but for rounding.

Each upright column is walked along the road, front to back, with one height: what rises above all that stands
before it is painted down to there, and nothing is computed behind the fence or above the picture.
tests/sim/test_camera_kernel.py says how far the pictures may differ. Letters in shapes: E cars, H rows, W
columns, V numbers of a variation.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from btr_tm.core.kernels import Floats, kernel
from btr_tm.sim.appearance import NO_VARIATION, Variation
from btr_tm.sim.grey.kernel.ahead import eye_s_of, look_ahead, next_gate, viewpoint
from btr_tm.sim.grey.kernel.column import paint_beyond, paint_column
from btr_tm.sim.grey.kernel.layout import Bytes, Picture, Tables, picture, tables
from btr_tm.sim.grey.kernel.own_car import paint_car, tint
from btr_tm.sim.pose import Pose
from btr_tm.sim.scene import Framing
from btr_tm.sim.track.ribbon import Track

CARS_PER_THREAD = 8  # fewer are not worth waking a thread for


class KernelCamera:
    """Renders what the drivers see, each car by itself, on the CPU; called as `grey.camera.Camera` is."""

    def __init__(self, track: Track, height: int = 64, width: int = 64) -> None:
        framing = Framing(height, width)
        self._tables, self._picture = tables(track, framing), picture(track, framing)

        self._plain: dict[int, Floats] = {}  # drawn_by(NO_VARIATION), by the number of cars

    def __call__(self, pose: Pose, variation: Variation = NO_VARIATION) -> Tensor:
        """Pictures (E, 1, H, W) uint8 of the cars in `pose`."""
        cars, size = len(pose.s_m), self._picture
        out = np.empty((cars, size.height, size.width), np.uint8)
        drawn = self._drawn(variation, cars)
        flat = [np.ascontiguousarray(values.numpy()) for values in pose]

        def render(part: slice) -> None:
            cars_of_part = Cars(*(values[part] for values in (*flat, drawn)))
            _render(self._tables, size, cars_of_part, out[part])

        in_threads(render, cars)
        return torch.from_numpy(out).unsqueeze(1)

    def _drawn(self, variation: Variation, cars: int) -> Floats:
        if variation is not NO_VARIATION:
            return drawn_by(variation, cars)
        if cars not in self._plain:
            self._plain[cars] = drawn_by(variation, cars)
        return self._plain[cars]


def in_threads(render: Callable[[slice], None], cars: int) -> None:
    """All cars in as many threads as torch uses; they sleep between calls, so that torch has the cores."""
    threads = min(torch.get_num_threads(), max(1, cars // CARS_PER_THREAD))
    if threads == 1:
        return render(slice(0, cars))
    ends = [cars * number // threads for number in range(threads + 1)]
    parts = [slice(start, end) for start, end in zip(ends[:-1], ends[1:], strict=True)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(render, parts))


def drawn_by(variation: Variation, cars: int) -> Floats:
    """The fields of a variation, (E, V) float32; a pattern is a whole number below 2**24."""
    each = [torch.as_tensor(value, dtype=torch.float32).flatten().expand(cars) for value in variation]
    return torch.stack(each, 1).contiguous().numpy()


class Cars(NamedTuple):
    """The fields of Pose, and what a race drew; leading axis E."""

    position: Floats
    forward: Floats
    up: Floats
    velocity: Floats
    s_m: Floats
    d_m: Floats
    height_m: Floats
    damper: Floats
    steer: Floats
    brake: Floats
    drawn: Floats


@kernel
def _render(tables: Tables, size: Picture, cars: Cars, out: Bytes) -> None:
    """Paint the pictures (E, H, W) of all cars."""
    road, gates, texture, stations, slopes, corners, quads = tables
    position, forward, up, velocity, s_m, d_m, height_m, damper, steer, brake, drawn = cars
    count = stations.shape[0]
    ahead = np.empty((8, count), np.float32)  # of each station, as columns.Stations
    rows_of = np.empty(count, np.int64)  # of the texture, of the strip that ends there
    chain = np.empty((3, count), np.float32)  # of the samples of a column, as columns.Chain
    lines = np.empty((4, count), np.float32)
    back = np.empty(size.height, np.float32)
    grey = np.empty((size.width, size.height), np.float32)
    for car in range(position.shape[0]):
        view = viewpoint(
            road, size, position[car], forward[car], up[car], velocity[car], s_m[car], drawn[car]
        )
        eye_s = eye_s_of(road, size, position[car], s_m[car], d_m[car], view)
        look_ahead(road, stations, size, view, eye_s, ahead, rows_of)
        gate = next_gate(road, gates, size, view, eye_s)
        paint_beyond(size, view, back)
        grain, pattern = drawn[car, 4], int(drawn[car, 5])
        for column in range(size.width):
            paint_column(
                texture, slopes[column], size, view.horizon, ahead, rows_of, gate, chain, lines, back,
                grain, pattern, grey[column],
            )  # fmt: skip
        paint_car(
            corners, quads, size, view, position[car], forward[car], up[car],
            height_m[car], damper[car], steer[car], brake[car], grey,
        )  # fmt: skip
        tint(grey, drawn[car], out[car])
