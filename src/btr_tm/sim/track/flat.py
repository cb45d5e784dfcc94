"""Flat tracks of one width, a straight and an oval: for tests, examples and searching for faults."""

from __future__ import annotations

import numpy as np

from btr_tm.sim.track.ribbon import FINISH_GATE, SPACING_M, START_GATE, Profile, Track, assemble


def straight_track(length_m: float = 600.0, half_width_m: float = 12.0, wall_m: float = 18.0) -> Track:
    """A straight road along +z: start 20 m after its beginning, finish 60 m before its end."""
    stations = round(length_m / SPACING_M) + 1
    centre = np.zeros((stations, 3))
    centre[:, 2] = SPACING_M * np.arange(stations)
    start, finish = round(20 / SPACING_M), stations - 1 - round(60 / SPACING_M)
    profile = _plain(centre, half_width_m, wall_m)
    profile.gate[[start, finish]] = START_GATE, FINISH_GATE
    return Track("straight", assemble(profile, closed=False), start * SPACING_M, finish * SPACING_M)


def oval_track(straight_m: float = 200.0, radius_m: float = 60.0, laps: int = 1) -> Track:
    """A closed flat oval turning right, two straights and two half circles; the line is on a straight."""
    turn_m = np.pi * radius_m
    stations = round(2 * (straight_m + turn_m) / SPACING_M)
    s_m = np.arange(stations) * 2 * (straight_m + turn_m) / stations
    angle = np.clip((s_m - straight_m) / radius_m, 0, np.pi)
    angle = angle + np.clip((s_m - 2 * straight_m - turn_m) / radius_m, 0, np.pi)
    along = np.where(s_m < straight_m, s_m, straight_m) - np.clip(s_m - straight_m - turn_m, 0, straight_m)
    x, z = radius_m * (np.cos(angle) - 1), along + radius_m * np.sin(angle)
    profile = _plain(np.stack([x, np.zeros_like(x), z], -1), 12.0, 18.0)
    profile.gate[round(straight_m / 2 / SPACING_M)] = FINISH_GATE
    start_m = round(straight_m / 2 / SPACING_M) * SPACING_M
    ribbon = assemble(profile, closed=True)
    finish_m = start_m + laps * stations * SPACING_M
    return Track("flat_oval", ribbon, start_m, finish_m, closed=True, laps=laps)


def _plain(centre: np.ndarray, half_width_m: float, wall_m: float) -> Profile:
    ones = np.ones(len(centre))
    nothing = np.zeros(len(centre), dtype=np.int64)
    return Profile(centre, 0 * ones, half_width_m * ones, wall_m * ones, nothing, ones, nothing.copy())
