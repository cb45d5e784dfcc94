"""Varied appearance with the values that conf/ gives it, unless a test says otherwise."""

from __future__ import annotations

from btr_tm.sim.appearance import VariedAppearance

WITHIN = {"contrast": 0.2, "brightness": 20.0, "grain": 24.0, "camera_up_m": 0.3, "camera_yaw_rad": 0.03}


def varied_appearance(**changes: float) -> VariedAppearance:
    return VariedAppearance(**(WITHIN | changes))
