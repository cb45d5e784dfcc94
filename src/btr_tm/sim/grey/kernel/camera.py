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

from btr_tm.core.kernels import Floats, Integers, kernel
from btr_tm.sim.appearance import NO_VARIATION, Variation
from btr_tm.sim.grey.kernel.ahead import eye_s_of, look_ahead, next_gate, viewpoint
from btr_tm.sim.grey.kernel.column import paint_beyond, paint_column
from btr_tm.sim.grey.kernel.layout import Bytes, Picture, Tables, picture, tables
from btr_tm.sim.grey.kernel.own_car import paint_car, tint
from btr_tm.sim.pose import Pose, pack
from btr_tm.sim.scene import Framing
from btr_tm.sim.track.ribbon import Track

CARS_PER_THREAD = 8  # fewer are not worth waking a thread for


class KernelCamera:
    """Renders what the drivers see, each car by itself, on the CPU; called as `grey.camera.Camera` is."""

    def __init__(self, track: Track, height: int = 64, width: int = 64) -> None:
        framing = Framing(height, width)
        self._tables, self._picture = tables(track, framing), picture(track, framing)

    def __call__(self, pose: Pose, variation: Variation = NO_VARIATION) -> Tensor:
        """Pictures (E, 1, H, W) uint8 of the cars in `pose`."""
        return self.look(pack(pose).numpy(), drawn_by(variation, len(pose.s_m)))

    def look(self, cars: Floats, drawn: Floats) -> Tensor:
        """Pictures (E, 1, H, W) uint8 of packed poses (E, 18), of races that drew `drawn` (E, V)."""
        out = torch.empty(len(drawn), 1, self._picture.height, self._picture.width, dtype=torch.uint8)
        pictures = out.numpy()

        def render(part: slice) -> None:
            _render(self._tables, self._picture, cars[part], drawn[part], self._canvas(), pictures[part])

        in_threads(render, len(drawn))
        return out

    def _canvas(self) -> Canvas:
        count, size = len(self._tables.ahead), self._picture
        shapes = (8, count), (3, count), (4, count), (size.height,), (size.width, size.height), (2, 4)
        ahead, chain, lines, back, grey, xy = (np.empty(shape, np.float32) for shape in shapes)
        return Canvas(ahead, np.empty(count, np.int64), chain, lines, back, grey, xy)


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


class Canvas(NamedTuple):
    """Memory for the picture of one car."""

    ahead: Floats  # (8, K) of each station, as columns.Stations
    rows_of: Integers  # (K,) of the texture, of the strip that ends there
    chain: Floats  # (3, K) of the samples of a column, as columns.Chain
    lines: Floats  # (4, K)
    back: Floats  # (H,)
    grey: Floats  # (W, H)
    xy: Floats  # (2, 4)


@kernel
def _render(tables: Tables, size: Picture, cars: Floats, drawn: Floats, canvas: Canvas, out: Bytes) -> None:
    """Paint the pictures (E, 1, H, W) of all cars (E, 18), of races that drew `drawn` (E, V)."""
    road, gates, texture, stations, slopes, corners, quads = tables
    ahead, rows_of, chain, lines, back, grey, xy = canvas
    for car in range(cars.shape[0]):
        pose = cars[car]
        view = viewpoint(road, size, pose, drawn[car])
        eye_s = eye_s_of(road, size, pose, view)
        look_ahead(road, stations, size, view, eye_s, ahead, rows_of)
        gate = next_gate(road, gates, size, view, eye_s)
        paint_beyond(size, view, back)
        grain, pattern = drawn[car, 4], int(drawn[car, 5])
        for column in range(size.width):
            paint_column(
                texture, slopes[column], size, view.horizon, ahead, rows_of, gate, chain, lines, back,
                grain, pattern, grey[column],
            )  # fmt: skip
        paint_car(corners, quads, size, view, pose, xy, grey)
        tint(grey, drawn[car], out[car, 0])
