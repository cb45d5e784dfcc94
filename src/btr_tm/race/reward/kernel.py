"""Rewards and potentials of single cars, compiled: the numbers of the classes beside this file, to the bit.

Letters in shapes: E cars, A actions of a decision, N numbers of a reward, B bonuses that are not always 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from btr_tm.core.kernels import ONE, ZERO, Floats, Integers, Number, clamp, multiply_add, part, positive, sum3
from btr_tm.race.actions_kernel import only_gas
from btr_tm.race.car_arrays import CarArrays
from btr_tm.race.reward import bonus
from btr_tm.race.reward.bonus import CloseToLine, Kamikaze, Neoslide, Speedslide
from btr_tm.race.reward.linesight import LinesightReward
from btr_tm.race.reward.moment import Reward
from btr_tm.race.reward.progress import ProgressReward
from btr_tm.race.reward.race_time import RaceTimeReward

BONUSES = (Speedslide, Neoslide, Kamikaze, CloseToLine)
SPEEDSLIDE, NEOSLIDE, KAMIKAZE = range(3)
PROGRESS, LINESIGHT, RACE_TIME = range(3)  # kinds of rewards
PER_MS, PER_METRE, PER_MPS, PHI_PER_METRE, PHI_AHEAD, NEAREST, FARTHEST = range(7)  # of LinesightReward
GAINED, PER_TAKEN_MS, BONUS, PHI_PER_MPS = range(4)  # of ProgressReward
TIME, PHI_PER_M, COMING_S = range(3)  # of RaceTimeReward
SLIDE_TABLE = np.array(bonus._SLIDE_TABLE, np.float32)
KMH, SLIDES, TWO, TINY = np.float32(3.6), np.float32(20), np.float32(2), np.float32(1e-12)


class RewardNumbers(NamedTuple):
    """A reward that a kernel knows."""

    kind: int
    numbers: Floats  # (N,)
    bonuses: Integers  # (B,) places in BONUSES
    limits: Floats  # (B, 2) of those that have them


class Before(NamedTuple):
    """What a reward compares with."""

    metres: Number
    furthest_metres: Number
    time_ms: int
    speed: Number  # of the velocity's length


class After(NamedTuple):
    """What a decision of one car led to."""

    metres: Number
    furthest_metres: Number
    time_ms: int
    finished: bool


def reward_numbers(reward: Reward) -> RewardNumbers | None:
    """`reward` for the kernels, or None if they do not know it."""
    if type(reward) is ProgressReward:
        by_speed = reward.per_metre * reward.speed_as_s
        numbers = [reward.per_metre, reward.per_second / 1000, reward.finish_bonus, by_speed]
        return _numbers(PROGRESS, numbers, [], [])
    if type(reward) is RaceTimeReward:
        numbers = [-reward.per_second / 1000, reward.potential_per_metre, reward.speed_as_s]
        return _numbers(RACE_TIME, numbers, [], [])
    if type(reward) is LinesightReward and all(type(each) in BONUSES for each in reward.active):
        numbers = [reward.per_ms, reward.per_metre, reward.per_metre * reward.speed_as_s]
        numbers += [reward.potential_per_metre, reward.potential_ahead, reward.nearest_m, reward.farthest_m]
        kinds = [BONUSES.index(type(each)) for each in reward.active]  # type: ignore[arg-type] # looked above
        return _numbers(LINESIGHT, numbers, kinds, [_limits(each) for each in reward.active])
    return None


def _numbers(
    kind: int, numbers: list[float], kinds: list[int], limits: list[tuple[float, float]]
) -> RewardNumbers:
    table = np.array(limits, np.float32).reshape(-1, 2)
    return RewardNumbers(kind, np.array(numbers, np.float32), np.array(kinds, np.int64), table)


def _limits(each: object) -> tuple[float, float]:
    if isinstance(each, CloseToLine):
        return each.nearest_m, each.farthest_m
    return (each.from_m_s, 0.0) if isinstance(each, Neoslide) else (0.0, 0.0)


@part
def length3(x: Number, y: Number, z: Number) -> Number:
    """As `norm` over three numbers."""
    return np.sqrt(multiply_add(z, z, multiply_add(y, y, x * x)))


@part
def _speed(car: CarArrays, e: int, axis: int) -> Number:
    """Along an axis of car `e`: 0 to the left, 2 forwards."""
    velocity, axes = car.velocity[e], car.rotation[e]
    return sum3(axes[0, axis] * velocity[0], axes[1, axis] * velocity[1], axes[2, axis] * velocity[2])


@part
def reward_of(
    reward: RewardNumbers,
    before: Before,
    after: After,
    car: CarArrays,
    points: Floats,
    e: int,
    actions: Integers,
    coefficients: Floats,
) -> Number:
    """What the decision of car `e` was worth."""
    k, taken = reward.numbers, np.float32(after.time_ms - before.time_ms)
    finished = ONE if after.finished else ZERO
    if reward.kind == RACE_TIME:
        return k[TIME] * taken
    if reward.kind == PROGRESS:
        worth = k[GAINED] * (after.furthest_metres - before.furthest_metres) - k[PER_TAKEN_MS] * taken
        return worth + k[BONUS] * finished
    worth = k[PER_MS] * taken + k[PER_METRE] * (after.metres - before.metres)
    velocity = car.velocity[e]
    faster = length3(velocity[0], velocity[1], velocity[2]) - before.speed
    counts = _speed(car, e, 2) > ZERO and not after.finished
    worth = worth + k[PER_MPS] * (faster if counts else ZERO)
    for number in range(len(reward.bonuses)):
        amount = _bonus(reward.bonuses[number], reward.limits[number], car, points[e], e, actions)
        worth = worth + (ZERO if after.finished else coefficients[number] * amount)
    return worth


@part
def potential_of(reward: RewardNumbers, after: After, car: CarArrays, points: Floats, e: int) -> Number:
    """Phi of car `e`, which sees its first two line points (E, 2, 3)."""
    k = reward.numbers
    if reward.kind == RACE_TIME:
        return k[PHI_PER_M] * (after.metres + k[COMING_S] * positive(_speed(car, e, 2)))
    if reward.kind == PROGRESS:
        return k[PHI_PER_MPS] * positive(_speed(car, e, 2))
    first, second = points[e, 0], points[e, 1]
    distance = clamp(length3(first[0], first[1], first[2]), k[NEAREST], k[FARTHEST])
    x, y, z = second[0] - first[0], second[1] - first[1], second[2] - first[2]
    length = length3(x, y, z)
    ahead = z / (TINY if length < TINY else length)
    return k[PHI_PER_METRE] * distance + k[PHI_AHEAD] * (ahead - ONE)


@part
def _bonus(kind: int, limits: Floats, car: CarArrays, points: Floats, e: int, actions: Integers) -> Number:
    contacts = car.wheel_contact[e]
    down = sum3(contacts[0], contacts[1], contacts[2]) + contacts[3]
    if kind == SPEEDSLIDE:
        return _speedslide(_speed(car, e, 2), _speed(car, e, 0)) if down == ONE * 4 else ZERO
    if kind == NEOSLIDE:
        return ONE if abs(_speed(car, e, 0)) >= limits[0] else ZERO
    if kind == KAMIKAZE:
        gas = True
        for action in actions:
            gas &= only_gas(action)
        return ONE if gas or down <= ONE else ZERO
    return clamp(length3(points[0, 0], points[0, 1], points[0, 2]), limits[0], limits[1])


@part
def _speedslide(ahead: Number, aside: Number) -> Number:
    km_h, ideal = KMH * ahead, SLIDE_TABLE[0, 1]
    for row in range(len(SLIDE_TABLE) - 1):
        left, right = SLIDE_TABLE[row, 0], SLIDE_TABLE[row + 1, 0]
        share = clamp((km_h - left) / (right - left), ZERO, ONE)
        ideal = ideal + (SLIDE_TABLE[row + 1, 1] - SLIDE_TABLE[row, 1]) * share
    quality = positive((SLIDES * abs(aside) - ideal) / ideal)
    return positive(ONE - abs(quality - ONE))
