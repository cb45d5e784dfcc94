"""When decisions fall due in a game that never waits: by the wall clock, or by the clock of the race.

A plan is kept, so that lateness does not add up: who is late by less than a decision has a shorter next one.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from btr_tm.envs.desktop.protocols import GameLost, Reading, Telemetry, Timer

LOOK_S = 0.01  # between two looks for a finish, which ends a decision early


class Due(NamedTuple):
    """The end of a decision."""

    reading: Reading
    late_ms: float  # after the plan
    missed: bool  # late by a decision or more: the plan begins anew


class Pace(Protocol):
    """When the decisions of a race end."""

    def begin(self, reading: Reading) -> None:
        """The first decision begins now, at `reading`."""
        ...

    def wait(self, telemetry: Telemetry) -> Due:
        """Until the present decision ends: when it is due, or at the finish; GameLost as `telemetry`."""
        ...


class WallPace:
    """`Pace` by the wall clock, for every telemetry."""

    def __init__(self, decision_ms: int, timer: Timer) -> None:
        self._decision_s, (self._now, self._sleep) = decision_ms / 1000, timer
        self._due_s = 0.0

    def begin(self, reading: Reading) -> None:
        """As `Pace.begin`."""
        self._due_s = self._now() + self._decision_s

    def wait(self, telemetry: Telemetry) -> Due:
        """As `Pace.wait`."""
        while (left_s := self._due_s - self._now()) > 0 and not telemetry.latest().finished:
            self._sleep(min(left_s, LOOK_S))
        reading, late_s = telemetry.latest(), self._now() - self._due_s
        missed = late_s >= self._decision_s
        self._due_s = (self._now() if missed else self._due_s) + self._decision_s
        return Due(reading, max(0.0, 1000 * late_s), missed)


class RacePace:
    """`Pace` by the clock of the race, for telemetry that has one: the first record at or after each end."""

    def __init__(self, decision_ms: int, timer: Timer, patience_s: float) -> None:
        self._decision_ms, self._now, self._patience_s = decision_ms, timer.now, patience_s
        self._due_ms = 0

    def begin(self, reading: Reading) -> None:
        """As `Pace.begin`."""
        self._due_ms = _race_ms(reading) + self._decision_ms

    def wait(self, telemetry: Telemetry) -> Due:
        """As `Pace.wait`; GameLost if the end does not come in `patience_s`, or time goes back."""
        reading, until_s = telemetry.latest(), self._now() + self._patience_s
        began_ms = self._due_ms - self._decision_ms
        while not reading.finished and began_ms <= _race_ms(reading) < self._due_ms:
            if self._now() > until_s:
                raise GameLost(
                    f"the clock of the race has stood still for {self._patience_s:g} s; is the game paused?"
                )
            reading = telemetry.after(reading.number, self._patience_s)
        if _race_ms(reading) < began_ms and not reading.finished:  # some clocks show 0 at the finish
            raise GameLost(
                f"the clock of the race went back from {began_ms:,} to {_race_ms(reading):,} ms; leave the "
                "race alone while it is driven"
            )
        late_ms = _race_ms(reading) - self._due_ms
        missed = late_ms >= self._decision_ms
        self._due_ms = (_race_ms(reading) if missed else self._due_ms) + self._decision_ms
        return Due(reading, max(0.0, float(late_ms)), missed)


def _race_ms(reading: Reading) -> int:
    if reading.race_ms is None:
        raise GameLost("this telemetry does not say the race time; choose env/pace=wall")
    return reading.race_ms
