"""What a compiled track must satisfy to be driven: curves wide enough, roads apart from each other."""

from __future__ import annotations

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.sim.track.ribbon import SPACING_M, Ribbon

HEADROOM_M = 6.0  # below a road that crosses above
STRIDE = 6  # stations between those compared
ROWS = 256  # compared with all at once


def check_curves(ribbon: Ribbon, block_numbers: np.ndarray, source: str) -> None:
    """UserError where the inside of a curve would be tighter than the road is wide."""
    reach = ribbon.half_width_m.numpy() * np.abs(ribbon.curvature.numpy())
    worst = int(reach.argmax())
    if reach[worst] > 0.6:
        radius_m, width_m = 1 / abs(ribbon.curvature[worst]), 2 * ribbon.half_width_m[worst]
        raise UserError(
            f"{source}: block {block_numbers[worst]} turns at {radius_m:.0f} m of radius on a road of "
            f"{width_m:.0f} m; make the curve larger or the road narrower"
        )


def check_clearance(ribbon: Ribbon, block_numbers: np.ndarray, closed: bool, source: str) -> None:
    """UserError where the track, fences included, meets another part of itself at the same height."""
    centre = ribbon.centre.numpy()[::STRIDE].astype(np.float64)
    wall = ribbon.wall_m.numpy()[::STRIDE]
    for begin in range(0, len(centre), ROWS):
        meets = np.argwhere(_meets(centre, wall, begin, closed)) + begin
        if len(meets):
            first, second = sorted(int(block_numbers[index * STRIDE]) for index in meets[0])
            raise UserError(
                f"{source}: block {second} runs into block {first} at the same height; "
                f"lead it elsewhere or raise it by one level"
            )


def _meets(centre: np.ndarray, wall: np.ndarray, begin: int, closed: bool) -> np.ndarray:
    """Whether each of ROWS stations from `begin` on meets each of all N from there on, (ROWS, N - begin)."""
    rows, columns = slice(begin, begin + ROWS), slice(begin, None)
    numbers = np.arange(len(centre))
    step = np.abs(numbers[rows, None] - numbers[None, columns])
    apart = np.minimum(step, len(centre) - step) if closed else step
    reach = wall[rows, None] + wall[None, columns]
    x, height, z = (np.abs(axis[rows, None] - axis[None, columns]) for axis in centre.T)
    near = np.sqrt(x * x + z * z) < reach - 0.5
    return near & (height < HEADROOM_M) & (apart * STRIDE * SPACING_M > 2.5 * reach)
