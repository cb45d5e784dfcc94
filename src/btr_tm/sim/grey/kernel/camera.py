"""The grey training camera as a loop for a CPU: the pictures of `grey.camera`, but for rounding.

Each upright column is walked along the road, front to back, with one height: what rises above all that stands
before it is painted down to there, and nothing is computed behind the fence or above the picture.
tests/sim/test_camera_kernel.py says how far the pictures may differ. Letters in shapes: E cars, H rows, W
columns, V numbers of a variation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from btr_tm.core.kernels import Floats, kernel, ready
from btr_tm.core.threads import in_parts
from btr_tm.sim.appearance import NO_VARIATION, Variation
from btr_tm.sim.grey.kernel.ahead import eye_s_of, look_ahead, next_gate, viewpoint
from btr_tm.sim.grey.kernel.column import paint_behind, paint_beyond, paint_gate, paint_ground
from btr_tm.sim.grey.kernel.layout import Bytes, Canvas, Grain, Picture, Tables, canvas, picture, tables
from btr_tm.sim.grey.kernel.own_car import paint_car, tint
from btr_tm.sim.pose import Pose, pack
from btr_tm.sim.scene import Framing
from btr_tm.sim.track.ribbon import Track

CARS_PER_THREAD = 8  # fewer are not worth waking a thread for


class KernelCamera:
    """Renders what the drivers see, each car by itself, on the CPU; called as `grey.camera.Camera` is."""

    def __init__(self, track: Track, height: int = 64, width: int = 64) -> None:
        self._made_of, framing = (track, height, width), Framing(height, width)
        self._tables, self._picture = tables(track, framing), picture(track, framing)
        self._unused: list[Canvas] = []
        # The kernel, once the types of its arguments are known.
        self._render: Callable[..., None] | None = None

    def __call__(self, pose: Pose, variation: Variation = NO_VARIATION) -> Tensor:
        """Pictures (E, 1, H, W) uint8 of the cars in `pose`."""
        return self.look(pack(pose).numpy(), drawn_by(variation, len(pose.s_m)))

    def look(self, cars: Floats, drawn: Floats) -> Tensor:
        """Pictures (E, 1, H, W) uint8 of packed poses (E, 18), of races that drew `drawn` (E, V)."""
        out = np.empty((len(drawn), 1, self._picture.height, self._picture.width), np.uint8)

        always = self._tables, self._picture, cars, drawn
        render = self._render = self._render or ready(_render, *always, self._canvas(), out, 0, 0)

        def paint(first: int, end: int) -> None:
            mine = self._canvas()
            render(*always, mine, out, first, end)
            self._unused.append(mine)

        in_parts(paint, len(drawn), CARS_PER_THREAD)
        return torch.from_numpy(out)

    def __reduce__(self) -> tuple[type[KernelCamera], tuple[Track, int, int]]:
        return KernelCamera, self._made_of  # a compiled function cannot be pickled

    def _canvas(self) -> Canvas:
        try:
            return self._unused.pop()
        except IndexError:  # one for each thread at work
            return canvas(len(self._tables.ahead), self._picture)


def drawn_by(variation: Variation, cars: int) -> Floats:
    """The fields of a variation, (E, V) float32; a pattern is a whole number below 2**24."""
    each = [torch.as_tensor(value, dtype=torch.float32).flatten().expand(cars) for value in variation]
    return torch.stack(each, 1).contiguous().numpy()


@kernel
def _render(
    tables: Tables,
    size: Picture,
    cars: Floats,
    drawn: Floats,
    canvas: Canvas,
    out: Bytes,
    first: int,
    end: int,
) -> None:
    """Paint pictures (E, 1, H, W) of cars (E, 18), `first` to `end`, of races that drew `drawn` (E, V)."""
    road, ahead = tables.road, canvas.ahead
    for number in range(first, end):
        car, look = cars[number], drawn[number]
        view = viewpoint(road, size, car, look)
        eye_s = eye_s_of(road, size, car, view)
        look_ahead(road, tables.ahead, size, view, eye_s, ahead, canvas.rows_of)
        gate = next_gate(road, tables.gates, size, view, eye_s)
        grain = Grain(look[4], int(look[5]))
        for column in range(size.width):
            paint_ground(column, tables, size, view.horizon, gate, grain, canvas)
        paint_beyond(size, view, canvas.back)
        paint_behind(size, canvas)
        if gate.exists:
            for column in range(size.width):
                paint_gate(column, tables, size, view.horizon, gate, canvas)
        paint_car(tables.corners, tables.quads, size, view, car, canvas.xy, canvas.grey)
        tint(canvas.grey, look, out[number, 0])
