"""Actions as kernels read them: the numbers of `actions.keys`."""

from __future__ import annotations

import numpy as np

from btr_tm.core.kernels import ONE, ZERO, Number, part
from btr_tm.race.actions import COUNT, HALF, PER_PART, QUARTER, THREE_QUARTERS

_HALF, _QUARTER, _THREE_QUARTERS = np.float32(HALF), np.float32(QUARTER), np.float32(THREE_QUARTERS)


@part
def held_keys(action: int) -> tuple[Number, Number, Number, Number]:
    """Accelerate, brake, left and right of an action, a row of `actions.ALL_ROWS`."""
    if action >= COUNT:
        number = action - COUNT
        steer, pedals = 1 + number % 2, number % PER_PART // 2
        way = _HALF if number < PER_PART else _QUARTER if number < 2 * PER_PART else _THREE_QUARTERS
    else:
        steer, pedals, way = action % 3, action // 3, ONE
    gas = ONE if pedals == 0 or pedals == 3 else ZERO
    brake = ONE if pedals >= 2 else ZERO
    return gas, brake, way if steer == 1 else ZERO, way if steer == 2 else ZERO


@part
def only_gas(action: int) -> bool:
    """As `actions.only_gas`."""
    return action < 3 or (action >= COUNT and (action - COUNT) % PER_PART < 2)
