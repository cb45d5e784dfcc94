"""Actions as kernels read them: the numbers of `actions.keys`."""

from __future__ import annotations

from btr_tm.core.kernels import HALF, ONE, ZERO, Number, part
from btr_tm.race.actions import COUNT


@part
def held_keys(action: int) -> tuple[Number, Number, Number, Number]:
    """Accelerate, brake, left and right of an action, a row of `actions.ALL_ROWS`."""
    if action >= COUNT:
        steer, pedals, way = 1 + (action - COUNT) % 2, (action - COUNT) // 2, HALF
    else:
        steer, pedals, way = action % 3, action // 3, ONE
    gas = ONE if pedals == 0 or pedals == 3 else ZERO
    brake = ONE if pedals >= 2 else ZERO
    return gas, brake, way if steer == 1 else ZERO, way if steer == 2 else ZERO


@part
def only_gas(action: int) -> bool:
    """As `actions.only_gas`."""
    return action < 3 or (action >= COUNT and action < COUNT + 2)
