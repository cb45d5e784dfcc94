"""A whole decision of the embedded simulator as one loop over cars: the numbers of `Race.decide`, to the bit.

Letters in shapes: E cars, F floats, A actions of a decision, B bytes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from btr_tm.core.kernels import ZERO, Floats, Integers, kernel
from btr_tm.envs.drive import TICK_MS
from btr_tm.race.car_arrays import CarArrays
from btr_tm.race.features_kernel import Ahead, HistoryArrays, observe_car
from btr_tm.race.lookup_kernel import Places, look_up
from btr_tm.race.progress_kernel import Line, ProgressArrays, advance_car
from btr_tm.race.reward.kernel import After, Before, RewardNumbers, length3, potential_of, reward_of
from btr_tm.sim.physics.car_kernel import Reading, read_car, stand_car
from btr_tm.sim.physics.kernel import FINISH, HEIGHT, TICK, Course, Scratch, drive_car
from btr_tm.sim.physics.road import LOST_M

Flags = NDArray[np.bool_]
LOST = np.float32(LOST_M)
Bytes = NDArray[np.uint8]


class Rules(NamedTuple):
    """All that stays the same while cars race."""

    ticks: int
    course: Course
    reading: Reading
    line: Line
    ahead: Ahead
    places: Places
    reward: RewardNumbers
    start_m: np.float32
    race_ms: int
    no_progress_ms: int
    no_progress_terminates: bool
    falls_terminate: bool
    actions: int  # to choose from


class Present(NamedTuple):
    """The fields of Drive that a decision changes."""

    floats: Floats
    counters: Integers
    queue: Integers
    car: CarArrays
    progress: ProgressArrays
    time_ms: Integers
    points: Floats
    history: HistoryArrays
    reward_sum: Floats
    from_start: Flags
    over: Flags


# Rows of Brought.numbers; the final potential is 0 where the race ended.
POTENTIAL, FINAL_POTENTIAL, REWARD, PROGRESS_M, REWARD_SUM = range(5)
FINISHED, TERMINATED, TRUNCATED, DONE, FROM_START = range(5)  # rows of Brought.flags


WRONG = -1  # instead of a number of cars


class Brought(NamedTuple):
    """What a decision brings."""

    floats: Floats  # (E, F)
    numbers: Floats  # (5, E)
    flags: Flags  # (5, E)
    time_ms: Integers  # (E,)


@kernel
def decide(
    now: Present,
    actions: Integers,
    coefficients: Floats,
    rules: Rules,
    poses: Floats,
    scratch: Scratch,
    out: Brought,
    first: int,
    end: int,
) -> int:
    """One decision of cars `first` to `end`: `now` is changed, `poses` (E, 18) and `out` are written.

    Gives how many are done; WRONG, and nothing is changed, where an action (E, A) of any car is unknown.
    """
    for e in range(len(actions)):
        for action in actions[e]:
            if action < 0 or action >= rules.actions:
                return WRONG
    car, progress, count = now.car, now.progress, 0
    for e in range(first, end):
        body, counter = now.floats[e], now.counters[e]
        was = car.velocity[e]
        before = Before(
            progress.metres[e], progress.furthest_metres[e], now.time_ms[e], length3(was[0], was[1], was[2])
        )
        drive_car(body, counter, now.queue[e], actions[e], rules.ticks, rules.course, scratch)
        read_car(body, e, rules.reading, car)
        stand_car(body, poses[e])
        fallen = body[HEIGHT] < -LOST
        finished = counter[FINISH] >= 0 and not fallen
        time_ms = TICK_MS * (counter[FINISH] if finished else counter[TICK])
        if rules.falls_terminate or not fallen:
            advance_car(progress, e, car.position[e], time_ms, finished, rules.line)
        observe_car(now.history, e, actions[e], car, progress, rules.ahead, out.floats[e])
        look_up(car, e, out.floats[e], progress.zone[e], rules.ahead, rules.places, now.points[e])

        after = After(progress.metres[e], progress.furthest_metres[e], time_ms, finished)
        reward = reward_of(rules.reward, before, after, car, now.points, e, actions[e], coefficients)
        stuck = time_ms - progress.last_advance_ms[e] > rules.no_progress_ms
        lost = (fallen and rules.falls_terminate) or (stuck and rules.no_progress_terminates)
        terminated = finished or lost
        truncated = (time_ms > rules.race_ms or stuck) and not terminated
        done = (terminated or truncated) and not now.over[e]
        now.over[e] |= done
        count += done
        now.reward_sum[e] += reward
        now.time_ms[e] = out.time_ms[e] = time_ms
        out.flags[FINISHED, e], out.flags[TERMINATED, e] = finished, terminated
        out.flags[TRUNCATED, e], out.flags[DONE, e] = truncated, done
        out.flags[FROM_START, e] = now.from_start[e]
        potential = potential_of(rules.reward, after, car, now.points, e)
        out.numbers[POTENTIAL, e], out.numbers[FINAL_POTENTIAL, e] = (
            potential,
            ZERO if terminated else potential,
        )
        out.numbers[REWARD, e], out.numbers[REWARD_SUM, e] = reward, now.reward_sum[e]
        out.numbers[PROGRESS_M, e] = after.furthest_metres - rules.start_m
    return count


@kernel
def put_rows(to: tuple[Bytes, ...], source: tuple[Bytes, ...], done: Flags, rows: Integers) -> None:
    """Overwrites the rows (B,) of those that are `done` (E,) with `rows` (E,) of the source."""
    for e in range(len(done)):
        if done[e]:
            for number in range(len(to)):
                for byte in range(to[number].shape[1]):
                    to[number][e, byte] = source[number][rows[e], byte]
