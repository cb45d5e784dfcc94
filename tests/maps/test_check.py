"""Each kind of fault that real lines have is found, with its place in metres."""

from __future__ import annotations

import time

import numpy as np
import pytest

from btr_tm.core.errors import UserError
from btr_tm.maps.check import faults


def ahead(count: int = 400) -> np.ndarray:
    """Straight ahead, in steps of half a metre."""
    return np.stack((np.zeros(count), np.zeros(count), 0.5 * np.arange(count)), axis=1)


def circle(radius_m: float, laps: float, climb_m: float = 0.0) -> np.ndarray:
    angle = np.arange(0, laps * 2 * np.pi, 0.5 / radius_m)
    height = climb_m * angle / (2 * np.pi)
    return np.stack((radius_m * np.cos(angle), height, radius_m * np.sin(angle)), axis=1)


def told(points: np.ndarray) -> list[tuple[float, str, bool]]:
    return [(round(metres, 1), text, refused) for metres, text, refused in faults(points, 0.5, "x")]


# The third is rounded as published lines are, in which steps are 0.36 to 0.62 m long.
GOOD = [ahead(), circle(40, 0.95), circle(60, 0.9).round(1), circle(20, 3, climb_m=8.0)]


@pytest.mark.parametrize("line", GOOD)
def test_a_good_line_has_no_faults(line):
    assert told(line) == []


@pytest.mark.parametrize(
    ("spoiled", "metres", "said", "refused"),
    [
        (np.repeat(ahead(), [30] + [1] * 399, axis=0), 0, "before it starts, for 29 more points", False),
        (np.repeat(ahead(), [1] * 399 + [2], axis=0), 199.5, "still at the end, for one more point;", False),
        (np.repeat(ahead(), [1] * 200 + [9] + [1] * 199, axis=0), 100, "still on the way, for 8", False),
        (np.delete(ahead(), range(100, 109), axis=0), 49.5, "points are missing over 5 m", True),
        (ahead() + np.r_[200 * [[0, 0, 0]], 200 * [[30, 0, 0]]], 99.5, "the line jumps 30 m", True),
        (ahead() * 3, 0, "points are about 1.5 m apart instead of 0.5 m", True),
        (np.r_[ahead(200), ahead()[199] + ahead(61)[1:] / 5], 99.5, "60 points lie only 0.1 m apart", True),
        (np.r_[ahead(200), ahead(199)[::-1]], 99.5, "the line turns back, against the direction", True),
        (np.zeros((400, 3)), 0, "the car never moves", True),
        (circle(40, 3), 251, "m where it was from 0.0 m on, as in another lap", False),
    ],
)  # fmt: skip
def test_each_fault_is_told_with_its_place(spoiled, metres, said, refused):
    places = [(place, bad) for place, text, bad in told(spoiled) if said in text]
    assert len(places) == 1 and places[0] == (pytest.approx(metres, abs=4), refused), told(spoiled)


def test_a_crossing_is_told_with_both_places_and_a_bridge_is_none():
    turn = np.linspace(0, 1.5 * np.pi, 400)
    loop = np.stack((50 - 50 * np.cos(turn), 0 * turn, 50 * np.sin(turn)), axis=1)
    eight = np.r_[
        ahead(200) - [0, 0, 100],
        loop * [1, 1, 1],
    ]
    crossing = np.r_[
        eight, eight[-1] + np.stack((-0.5 * np.arange(1, 200), 0 * np.arange(199), 0 * np.arange(199)), 1)
    ]
    crossing[:, 1] = 0
    found = [each for each in told(resampled(crossing)) if "crosses itself" in each[1]]
    assert [(each[0], each[2]) for each in found] == [(pytest.approx(384, abs=5), False)], found
    bridge = crossing + np.linspace(0, 9, len(crossing))[:, None] * [0, 1, 0]
    assert not [each for each in told(resampled(bridge)) if "crosses" in each[1]]


def resampled(points: np.ndarray) -> np.ndarray:
    way = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    at = np.arange(0, way[-1], 0.5)
    return np.stack([np.interp(at, way, points[:, axis]) for axis in range(3)], axis=1)


def test_several_faults_are_told_in_order_of_place():
    line = np.delete(ahead(), [*range(100, 110), *range(300, 304)], axis=0)
    assert [place for place, _, _ in told(np.r_[line[:1], line])] == [0, 49.5, 149.5]


def test_what_are_no_points_is_refused():
    with pytest.raises(UserError, match="point 3 is not finite"):
        faults(np.where(np.arange(200)[:, None] == 3, np.nan, ahead(200)), 0.5, "x")


def test_the_longest_line_is_checked_in_seconds():
    line = circle(20, 200_000 * 0.5 / (2 * np.pi * 20))
    began = time.process_time()
    assert len(told(line)) == 1
    assert time.process_time() - began < 10
