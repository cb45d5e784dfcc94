"""The stadium car: its constants, and its speed-dependent curves sampled into one table.

Accelerations are per unit mass, m/s^2. Unless said otherwise the numbers are what the public
re-implementations and the community report for the stadium car; deviations carry their reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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
    """All numbers of the car. Frozen: a change makes recorded `.inputs` files invalid (PHYSICS_VERSION)."""

    # (below km/h, m/s^2); 5.5 is reported up to 801 km/h, here it lasts until the top speed
    engine: tuple[tuple[float, float], ...] = ((101, 16.0), (201, 11.0), (401, 7.0), (1000, 5.5))
    reverse_top_kmh: float = 500.0
    shift_up_kmh: tuple[float, ...] = (102.0, 162.0, 235.0, 342.0)
    shift_down_ratio: float = 0.9  # gears drop at this share of the speed that raised them: no hunting
    shift_s: float = 0.06
    shift_thrust: float = 0.5  # thrust while changing; a longer loss would miss 0-300 km/h in 9.3 s
    # lateral limit: (km/h, m/s^2), linear in between
    grip: tuple[tuple[float, float], ...] = ((0, 80), (100, 80), (200, 75), (300, 67), (400, 60), (500, 55))
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
    pit_drag_per_s: float = 3.0  # a car that fell into the gap of a jump is stopped: no race below the road
    settle_per_s: float = 30.0  # how fast a landing car takes the road's pitch and bank
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
    wall_grip: float = 0.15  # share of grip while scraping a wall: a glancing car slides on, does not stick
    wall_align_per_m: float = 0.15  # heading turned along the wall per metre scraped
    damper_rest_m: float = 0.02
    damper_max_m: float = 0.2
    damper_damping_per_s: float = 25.0

    @property
    def damper_stiffness_per_s2(self) -> float:
        """Spring rate that carries the car at its resting compression."""
        return self.gravity_ground / self.damper_rest_m


class TickConstants(NamedTuple):
    """What a tick computes with, as tensors: an operation with a Python number costs 2.5 times as much.

    Scalars () unless said; "per tick" numbers contain the 0.01 s.
    """

    curves: Tensor  # (rows, 8), see sample_curves
    grass: Tensor  # (4, 1): grip, then per tick resistance, drag, boost
    fall: Tensor  # (3, 1) m/s per tick in the air
    cling: Tensor  # (3, 1) m/s per tick, added to it on the ground
    extent: Tensor  # (2, 1) m, half width and half length
    zero: Tensor
    one: Tensor
    rows_per_mps: Tensor  # of `curves`
    last_row: Tensor
    half_per_track: Tensor  # 1/m
    half: Tensor
    wall_bounce: Tensor  # 1 + restitution
    wall_friction: Tensor
    wall_align: Tensor  # per metre per second, per tick
    wall_grip_lost: Tensor
    settle: Tensor  # how fast the car takes the road's pitch and bank, per tick
    air_keep: Tensor  # share of velocity kept per tick
    pit_keep: Tensor
    slide_grip_lost: Tensor
    slip_per_mps: Tensor
    align: Tensor  # rad/s
    steer_most: Tensor  # per tick
    brake_limit: Tensor  # m/s per tick
    brake_limit_lost: Tensor
    shift_s: Tensor
    shift_thrust: Tensor
    tick_s: Tensor
    stiffness: Tensor  # m/s per tick per metre
    damping: Tensor  # per tick
    damper_max_m: Tensor


def tick_constants(car: CarConstants, device: torch.device | str = "cpu") -> TickConstants:
    """The constants of `car` on a device."""
    pull = torch.tensor([[0.0], [-TICK_S], [0.0]])
    tensors = dict(
        curves=sample_curves(car),
        grass=surface_row(car.grass).unsqueeze(1),
        fall=pull * car.gravity_air,
        cling=pull * (car.gravity_ground - car.gravity_air),
        extent=torch.tensor([[car.half_width_m], [car.half_length_m]]),
    )
    numbers = dict(
        zero=0.0,
        one=1.0,
        rows_per_mps=1 / SPEED_STEP_MPS,
        half_per_track=0.5 / car.half_track_m,
        half=0.5,
        wall_bounce=1 + car.wall_bounce,
        wall_friction=car.wall_friction,
        wall_align=car.wall_align_per_m * TICK_S,
        wall_grip_lost=1 - car.wall_grip,
        settle=car.settle_per_s * TICK_S,
        air_keep=1 - car.air_drag_per_s * TICK_S,
        pit_keep=1 - car.pit_drag_per_s * TICK_S,
        slide_grip_lost=1 - car.slide_grip,
        slip_per_mps=1 / car.slide_mps,
        align=car.align_per_s,
        steer_most=car.steer_rate_per_s * TICK_S,
        brake_limit=car.brake_limit * TICK_S,
        brake_limit_lost=(car.brake_limit - car.slide_brake_limit) * TICK_S,
        shift_s=car.shift_s,
        shift_thrust=car.shift_thrust,
        tick_s=TICK_S,
        stiffness=car.damper_stiffness_per_s2 * TICK_S,
        damping=car.damper_damping_per_s * TICK_S,
        damper_max_m=car.damper_max_m,
    )
    tensors |= {name: torch.tensor(value, dtype=torch.float32) for name, value in numbers.items()}
    tensors["last_row"] = torch.tensor(tensors["curves"].shape[0] - 1)
    return TickConstants(**{name: value.to(device) for name, value in tensors.items()})


def surface_row(surface: Surface) -> Tensor:
    """(4,) grip, then per tick resistance, drag and boost."""
    per_tick = (surface.resistance * TICK_S, surface.drag_per_s * TICK_S, surface.boost * TICK_S)
    return torch.tensor([surface.grip, *per_tick])


class Curves(NamedTuple):
    """What depends on speed alone, for each car (E,); in the order of the columns of `sample_curves`."""

    thrust: Tensor  # m/s per tick, as are the next four
    reverse_thrust: Tensor
    brake: Tensor
    grip: Tensor  # lateral limit
    brake_loss: Tensor  # part of the lateral limit that is lost while braking
    bend: Tensor  # 1/m, curvature of the path at full lock
    gear_up: Tensor  # when accelerating
    gear_down: Tensor  # when slowing down


def sample_curves(car: CarConstants) -> Tensor:
    """The columns of Curves, one row per 0.1 m/s: (rows, 8) float32, so that a tick needs one gather."""
    rows = round(TOP_SPEED_MPS / SPEED_STEP_MPS)
    speed = (np.arange(rows) + 0.5) * SPEED_STEP_MPS
    kmh = speed / KMH
    limits, forces = zip(*car.engine, strict=True)
    engine = np.append(forces, 0.0)[np.searchsorted(limits, kmh, side="right")]
    brake = np.minimum(car.brake_base + car.brake_per_s * speed, car.brake_limit)
    grip_kmh, grip_limit = zip(*car.grip, strict=True)
    grip = np.interp(kmh, grip_kmh, grip_limit)
    slow, fast = car.brake_grip_kmh
    brake_loss = grip * (1 - car.brake_grip) * np.clip((kmh - slow) / (fast - slow), 0, 1)
    reverse = engine * (kmh < car.reverse_top_kmh)
    shift = np.asarray(car.shift_up_kmh)
    columns = [force * TICK_S for force in (engine, reverse, brake, grip, brake_loss)]
    columns += [
        1 / (car.steer_radius_m + car.steer_radius_s * speed),
        1.0 + np.searchsorted(shift, kmh, side="right"),
        1.0 + np.searchsorted(shift * car.shift_down_ratio, kmh, side="right"),
    ]
    return torch.tensor(np.stack(columns, -1), dtype=torch.float32)
