"""Follows a lap that somebody drives, as telemetry tells it: the positions that a line is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from btr_tm.envs.desktop.protocols import Reading, Telemetry
from btr_tm.envs.desktop.racing import AT_REST, SAME_PLACE_M

BEGINS_MS = 500  # a race whose clock shows less has just begun
FIRST_S = 60.0  # for the first word of the game
A_TRY_S = 1.0  # what ends before was none: a car sinks into its springs at the start
FARTHEST_M = 50.0  # between two records; a longer step is a restart
SET_BACK_M = 10.0  # between two records, of which the second finds the car at rest


class FollowedLap(NamedTuple):
    """From the start line to the finish."""

    times_s: np.ndarray  # (T,)
    positions: np.ndarray  # (T, 3) m
    map_id: str  # '' if the telemetry does not say it


def follow(telemetry: Telemetry, patience_s: float, say: Callable[[str], None]) -> FollowedLap:
    """The next lap that is driven from start to finish; GameLost if no record comes in `patience_s`.

    A lap begins with its clock or, without one, with a car that stands; another one begins whenever the
    clock goes back, or the car is somewhere else. Without a clock a car that stands on its way goes on.
    """
    first_s = min(FIRST_S, patience_s)
    say(f"waiting for the game, {first_s:.0f} s at most")
    reading = telemetry.after(0, first_s)
    say("restart the race, and drive to the finish")
    rows: list[tuple[float, Reading]] = []
    while not (reading.finished and rows):
        begins = _begins(reading) and not (rows and _has_stopped(rows[0][1], rows[-1][1], reading))
        if begins or (rows and _is_another(rows[-1][1], reading)):
            if rows and rows[-1][0] - rows[0][0] > A_TRY_S:
                say("another race begins")
            rows = [(_time_s(reading), reading)] if begins else []
        elif rows and _time_s(reading) > rows[-1][0]:
            rows.append((_time_s(reading), reading))
        reading = telemetry.after(reading.number, patience_s)
    if _time_s(reading) > rows[-1][0]:  # some clocks stop at the finish, or show nothing there
        rows.append((_time_s(reading), reading))
    times, readings = zip(*rows, strict=True)
    positions = np.array([each.position for each in readings], np.float64)
    return FollowedLap(np.array(times), positions, reading.map_id or "")


def _begins(reading: Reading) -> bool:
    early = reading.race_ms is None or reading.race_ms < BEGINS_MS
    return early and not reading.finished and reading.speed < AT_REST


def _has_stopped(first: Reading, before: Reading, reading: Reading) -> bool:
    """Without a clock: the car that stands there drove there, and not to where its lap began."""
    away_m, step_m = (math.dist(each.position, reading.position) for each in (first, before))
    return reading.race_ms is None and away_m > SAME_PLACE_M and step_m < SET_BACK_M


def _is_another(before: Reading, reading: Reading) -> bool:
    if before.race_ms is not None and reading.race_ms is not None and reading.race_ms < before.race_ms:
        return True
    return math.dist(before.position, reading.position) > FARTHEST_M


def _time_s(reading: Reading) -> float:
    return reading.at_s if reading.race_ms is None else reading.race_ms / 1000
