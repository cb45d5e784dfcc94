"""The stadium car: its figures, and its speed-dependent curves sampled into one table.

Accelerations are per unit mass, m/s^2. Unless said otherwise the figures are what the public
re-implementations and the community report for the stadium car; deviations carry their reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

TICK_S = 0.01
KMH = 1 / 3.6
TOP_SPEED_MPS = 300.0
SPEED_STEP_MPS = 0.1  # resolution of the sampled curves
IDLE_RPM, MAX_RPM = 1000.0, 11_000.0


@dataclass(frozen=True)
class Surface:
    """What a material does to the tyres."""

    grip: float  # factor on the lateral limit and on the brake
    resistance: float  # m/s^2, constant
    drag_per_s: float  # 1/s, times speed
    boost: float = 0.0  # m/s^2 along the car


@dataclass(frozen=True)
class CarConstants:
    """Every figure of the car. Frozen: a change makes recorded `.inputs` files invalid (PHYSICS_VERSION)."""

    engine: tuple[tuple[float, float], ...] = ((101, 16.0), (201, 11.0), (401, 7.0), (1000, 5.5))  # km/h below, m/s^2
    reverse_top_kmh: float = 500.0
    shift_up_kmh: tuple[float, ...] = (102.0, 162.0, 235.0, 342.0)
    shift_down_ratio: float = 0.9  # gears drop at this share of the speed that raised them: no hunting
    shift_s: float = 0.06
    shift_thrust: float = 0.5  # thrust while changing; a longer loss would miss 0-300 km/h in 9.3 s
    grip: tuple[tuple[float, float], ...] = ((0, 80), (100, 80), (200, 75), (300, 67), (400, 60), (500, 55))  # km/h
    slide_grip: float = 0.35  # share of the lateral limit left when fully sliding
    slide_mps: float = 1.5  # sideways speed at which that share is reached; a smooth fall is easier to learn
    brake_grip: float = 0.55  # share of the lateral limit left while braking fast: how slides are started
    brake_grip_kmh: tuple[float, float] = (90.0, 180.0)  # the share above is reached between these speeds
    align_per_s: float = 1.6  # sliding tyres turn the car toward where it goes: slides settle near 45 degrees
    steer_radius_m: float = 2.0
    steer_radius_s: float = 0.85  # smallest radius = 2 m + 0.85 s x speed
    steer_rate_per_s: float = 20.0
    brake_base: float = 1.0
    brake_per_s: float = 1.75
    brake_limit: float = 60.0
    slide_brake_limit: float = 30.0
    gravity_ground: float = 3.0 * 9.81
    gravity_air: float = 2.5 * 9.81
    air_drag_per_s: float = 0.03
    asphalt: Surface = Surface(1.0, 1.0, 0.0)
    grass: Surface = Surface(0.4, 2.0, 0.25)  # tops out near 130 km/h
    dirt: Surface = Surface(0.6, 1.5, 0.02)
    turbo: Surface = Surface(1.0, 1.0, 0.0, boost=20.0)  # about +45 km/h over a 32 m pad taken at 180 km/h
    half_width_m: float = 0.95
    half_length_m: float = 2.0
    half_track_m: float = 0.8  # wheels, from the middle
    axle_m: float = 1.35
    wall_bounce: float = 0.2
    wall_friction: float = 0.25
    wall_grip: float = 0.15  # tyres scrub while the body scrapes a wall: a glancing car slides on, does not stick
    wall_align_per_m: float = 0.15  # heading turned along the wall per metre scraped
    damper_rest_m: float = 0.02
    damper_max_m: float = 0.2
    damper_damping_per_s: float = 25.0

    @property
    def damper_stiffness_per_s2(self) -> float:
        """Spring rate that carries the car at its resting compression."""
        return self.gravity_ground / self.damper_rest_m


class Curves:
    """Column names of the table of `sample_curves`."""

    ENGINE, REVERSE, BRAKE, GRIP, BRAKE_LOSS, BEND, GEAR_UP, GEAR_DOWN = range(8)


def sample_curves(constants: CarConstants) -> Tensor:
    """Speed-dependent figures, one row per 0.1 m/s: (rows, 8) float32, so that a tick needs one gather.

    Columns: thrust, reverse thrust, brake, lateral limit, part of it lost while braking,
    path curvature at full lock (1/m), gear when accelerating, gear when slowing down.
    """
    rows = round(TOP_SPEED_MPS / SPEED_STEP_MPS)
    speed = (np.arange(rows) + 0.5) * SPEED_STEP_MPS
    kmh = speed / KMH
    limits, forces = zip(*constants.engine, strict=True)
    engine = np.append(forces, 0.0)[np.searchsorted(limits, kmh, side="right")]
    grip = np.interp(kmh, *zip(*constants.grip, strict=True))
    slow, fast = constants.brake_grip_kmh
    shift = np.asarray(constants.shift_up_kmh)
    columns = [
        engine,
        engine * (kmh < constants.reverse_top_kmh),
        np.minimum(constants.brake_base + constants.brake_per_s * speed, constants.brake_limit),
        grip,
        grip * (1 - constants.brake_grip) * np.clip((kmh - slow) / (fast - slow), 0, 1),
        1 / (constants.steer_radius_m + constants.steer_radius_s * speed),
        1.0 + np.searchsorted(shift, kmh, side="right"),
        1.0 + np.searchsorted(shift * constants.shift_down_ratio, kmh, side="right"),
    ]
    return torch.tensor(np.stack(columns, -1), dtype=torch.float32)
