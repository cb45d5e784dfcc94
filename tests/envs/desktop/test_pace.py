"""Decisions fall due every 50 ms, however late each of them is taken."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from btr_tm.envs.desktop.pace import RacePace, WallPace
from btr_tm.envs.desktop.protocols import REAL_TIME, GameLost, Reading, Timer


def reading(number: int = 1, race_ms: int | None = 0, finished: bool = False) -> Reading:
    return Reading(number, 0.0, (0, 0, 0), 0.0, 0.0, 0.0, 0.0, finished, 1.0, 0.0, race_ms)


class Time:
    """Sleeping takes a millisecond longer than asked for."""

    def __init__(self) -> None:
        self.s = 100.0

    def now(self) -> float:
        return self.s

    def sleep(self, s: float) -> None:
        self.s += s + 0.001


class Records:
    """Telemetry that has a record every 7 ms of the race; `finish_ms` is when the race finishes."""

    def __init__(self, step_ms: int = 7, finish_ms: int = 10**9) -> None:
        self.ms, self.step_ms, self.finish_ms = 0, step_ms, finish_ms

    def latest(self) -> Reading:
        return reading(self.ms, self.ms, self.ms >= self.finish_ms)

    def after(self, number: int, limit_s: float) -> Reading:
        self.ms += self.step_ms
        return self.latest()

    def close(self) -> None: ...


class NoClockAtFinish(Records):
    """The clock of the race shows nothing there."""

    def latest(self) -> Reading:
        seen = super().latest()
        return seen._replace(race_ms=0) if seen.finished else seen


def test_a_clock_that_shows_nothing_at_the_finish_does_not_lose_it() -> None:
    clock, telemetry = Time(), NoClockAtFinish(finish_ms=120)
    pace = RacePace(50, Timer(clock.now, clock.sleep), 1.0)
    pace.begin(telemetry.latest())
    dues = [pace.wait(telemetry) for _ in range(3)]
    assert [due.reading.finished for due in dues] == [False, False, True]


class AtFinish(Records):
    """The race finishes between two looks."""

    def latest(self) -> Reading:
        self.ms += 7
        return super().latest()


def test_a_plan_by_the_wall_clock_does_not_drift() -> None:
    clock, telemetry = Time(), Records()
    pace = WallPace(50, Timer(clock.now, clock.sleep))
    pace.begin(telemetry.latest())
    for number in range(1, 101):
        due = pace.wait(telemetry)
        assert 0 <= due.late_ms < 2 and not due.missed
        assert clock.s == pytest.approx(100 + 0.05 * number, abs=0.002)
        clock.s += 0.02  # to think


def test_who_is_late_catches_up_unless_a_whole_decision_was_missed() -> None:
    clock, telemetry = Time(), Records()
    pace = WallPace(50, Timer(clock.now, clock.sleep))
    pace.begin(telemetry.latest())
    clock.s += 0.08
    late = pace.wait(telemetry)
    assert late.late_ms == pytest.approx(30) and not late.missed
    pace.wait(telemetry)
    assert clock.s == pytest.approx(100.1, abs=0.002)  # as planned
    clock.s += 0.2
    late = pace.wait(telemetry)
    assert late.late_ms == pytest.approx(150, abs=2) and late.missed
    began = clock.s
    pace.wait(telemetry)
    assert clock.s == pytest.approx(began + 0.05, abs=0.002)


def test_a_finish_ends_a_decision_early() -> None:
    clock = Time()
    for pace in (WallPace(50, Timer(clock.now, clock.sleep)), RacePace(50, REAL_TIME, 1.0)):
        pace.begin(reading())
        assert pace.wait(AtFinish(finish_ms=21)).reading.race_ms in (21, 28)
    assert clock.s < 100.05


def test_decisions_by_the_clock_of_the_race_lie_on_its_grid() -> None:
    telemetry = Records(step_ms=7)
    pace = RacePace(50, REAL_TIME, 1.0)
    pace.begin(telemetry.latest())
    ends = [pace.wait(telemetry) for _ in range(50)]
    for number, due in enumerate(ends, start=1):
        assert 0 <= due.late_ms < 7 and due.reading.race_ms == 50 * number + due.late_ms
    telemetry.ms += 200
    assert pace.wait(telemetry).missed
    telemetry.ms = 0
    with pytest.raises(GameLost, match="went back"):
        pace.wait(telemetry)
    with pytest.raises(GameLost, match="env/pace=wall"):
        pace.begin(reading(race_ms=None))


def test_real_decisions_are_as_long_as_they_should_be() -> None:
    telemetry = Records()
    pace, ends = WallPace(20, REAL_TIME), []
    pace.begin(telemetry.latest())
    for _ in range(25):
        pace.wait(telemetry)
        ends.append(time.perf_counter())
    shortest = min(after - before for before, after in pairwise(ends))
    assert ends[-1] - ends[0] > 0.02 * 24 - 0.02  # a busy machine makes them longer
    assert shortest < 0.04


def test_a_clock_of_the_race_that_stands_still_is_named() -> None:
    clock = Time()

    class Paused(Records):
        def after(self, number: int, limit_s: float) -> Reading:
            clock.s += 0.02  # records go on
            return self.latest()

    pace = RacePace(50, Timer(clock.now, clock.sleep), patience_s=0.25)
    pace.begin(Paused().latest())
    with pytest.raises(GameLost, match="the clock of the race has stood still for 0.25 s"):
        pace.wait(Paused())
