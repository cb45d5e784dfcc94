"""The geometry of blocks: plan and height curves with eased curvature that end exactly on the grid.

Plans are (K, 2) arrays of (right, forward) metres, from the origin and driving forward, sampled evenly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CELL_M = 32.0
LEVEL_M = 8.0
AIR_GRAVITY = 2.5 * 9.81  # m/s2, the stadium car's gravity in flight
STEP_M = 0.05  # between samples, fine enough for linear interpolation
EASE_SHARE = 0.3  # of a curve's length on either side, over which its curvature builds up


class Shape(NamedTuple):
    """One block in its own coordinates, K samples."""

    plan: np.ndarray  # (K, 2) m: right, forward
    height: np.ndarray  # (K,) m above the entrance
    bend: np.ndarray  # (K,) curvature as a share of the block's tightest, > 0 to the right
    road: np.ndarray  # (K,) 1 road, 0 gap
    quarters: int  # clockwise quarter turns from entrance to exit


def straight(length_m: float, rise_m: float = 0.0, hump_m: float = 0.0) -> Shape:
    """Ahead, gaining `rise_m` by the end, with a crest of `hump_m` (< 0: a dip) in the middle."""
    share = _shares(length_m)
    plan = np.stack([0 * share, length_m * share], -1)
    height = rise_m * ease(share) + hump_m * 64 * (share * (1 - share)) ** 3
    return Shape(plan, height, 0 * share, np.ones_like(share), 0)


def curve(radius_m: float, quarters: int, rise_m: float = 0.0) -> Shape:
    """Turn by `quarters` (> 0 right) quarter circles: entrance and exit lie where those of a circle of
    `radius_m` would, the curvature builds up and fades smoothly in between.
    """
    share = _shares(abs(quarters) * np.pi / 2 * radius_m)
    bend = smoothstep(share / EASE_SHARE) * smoothstep((1 - share) / EASE_SHARE)
    heading = _integral(bend)
    plan = _walk(heading / heading[-1] * abs(quarters) * np.pi / 2)
    plan *= abs(quarters) * radius_m / plan[-1, 0]
    side = np.sign(quarters)
    return Shape(plan * [side, 1], rise_m * ease(share), side * bend, np.ones_like(share), quarters)


def chicane(length_m: float, shift_m: float, rise_m: float = 0.0) -> Shape:
    """An S that ends `length_m` ahead and `shift_m` to the right, in the direction it began."""
    share = _shares(np.hypot(length_m, shift_m))
    swing = np.sin(np.pi * share) ** 2  # of the heading; its derivative, the curvature, is zero at both ends
    low, high = 0.0, np.pi / 2
    for _ in range(60):  # bisection on the largest heading
        middle = (low + high) / 2
        right, forward = _walk(middle * swing)[-1]
        low, high = (middle, high) if right * length_m < abs(shift_m) * forward else (low, middle)
    plan = _walk(low * swing)
    plan *= length_m / plan[-1, 1]
    side = np.sign(shift_m)
    return Shape(plan * [side, 1], rise_m * ease(share), side * np.sin(2 * np.pi * share), 0 * share + 1, 0)


def jump(
    ramp_m: float, gap_m: float, landing_m: float, slope: float, speed_mps: float, rise_m: float
) -> Shape:
    """Ramp, gap and landing: over the gap the ribbon is the flight of a car that leaves the ramp at
    `speed_mps`, the slowest that gets across; the landing continues its descent and levels out.
    """
    share = _shares(ramp_m + gap_m + landing_m)
    ahead = share * (ramp_m + gap_m + landing_m)
    lip_m, touch_m = ramp_m, ramp_m + gap_m
    flown = ahead - lip_m
    eased = 0.7 * ramp_m
    steepness = smoothstep(ahead / eased)
    ramp = slope * _integral(steepness) * ahead[-1]
    lip_height = slope * (ramp_m - eased / 2)
    flight = lip_height + slope * flown - AIR_GRAVITY / 2 * (flown / speed_mps) ** 2
    touch_height = lip_height + slope * gap_m - AIR_GRAVITY / 2 * (gap_m / speed_mps) ** 2
    touch_slope = slope - AIR_GRAVITY * gap_m / speed_mps**2
    landing = _hermite((ahead - touch_m) / landing_m, touch_height, touch_slope * landing_m, rise_m)
    height = np.where(ahead <= lip_m, ramp, np.where(ahead < touch_m, flight, landing))
    road = np.where((ahead <= lip_m) | (ahead >= touch_m), 1.0, 0.0)
    return Shape(np.stack([0 * share, ahead], -1), height, 0 * share, road, 0)


def ease(share: np.ndarray) -> np.ndarray:
    """From 0 to 1 with slope and curvature zero at both ends."""
    share = np.clip(share, 0, 1)
    return share**3 * (10 - 15 * share + 6 * share**2)


def smoothstep(share: np.ndarray) -> np.ndarray:
    """From 0 to 1 with slope zero at both ends."""
    share = np.clip(share, 0, 1)
    return share**2 * (3 - 2 * share)


def _hermite(share: np.ndarray, start: float, start_slope: float, end: float) -> np.ndarray:
    """Quintic from `start` to a level `end`, without curvature at either end."""
    slope_part = share - 6 * share**3 + 8 * share**4 - 3 * share**5
    return start + (end - start) * ease(share) + start_slope * slope_part


def _shares(length_m: float) -> np.ndarray:
    return np.linspace(0.0, 1.0, int(length_m / STEP_M) + 2)


def _integral(values: np.ndarray) -> np.ndarray:
    """Running trapezoid integral over the share of the block."""
    return np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2)]) / (len(values) - 1)


def _walk(heading: np.ndarray) -> np.ndarray:
    """Unit-length plan (K, 2) that follows `heading`, radians clockwise from forward."""
    return np.stack([_integral(np.sin(heading)), _integral(np.cos(heading))], -1)
