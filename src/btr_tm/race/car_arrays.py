"""What the drivers' instruments read, as kernels see it. Letters in shapes: E cars, W wheels."""

from __future__ import annotations

from typing import NamedTuple

from btr_tm.core.kernels import Floats, Integers


class CarArrays(NamedTuple):
    """The fields of race.car.CarState, as arrays that a kernel reads or writes."""

    position: Floats  # (E, 3)
    rotation: Floats  # (E, 3, 3)
    velocity: Floats  # (E, 3)
    angular_velocity: Floats  # (E, 3)
    wheel_sliding: Floats  # (E, W)
    wheel_contact: Floats  # (E, W)
    damper_m: Floats  # (E, W)
    surface: Integers  # (E, W)
    gearbox_state: Floats  # (E,)
    gear: Floats
    rpm: Floats
    freewheeling: Floats
