"""Races in a game that goes on whatever we do: begun and seen to have begun, driven, lost, begun again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.echo import Echo
from btr_tm.envs.desktop.pace import Pace
from btr_tm.envs.desktop.protocols import (
    Capture,
    Controls,
    Frame,
    GameLost,
    Keys,
    Reading,
    Telemetry,
    Three,
    Timer,
)
from btr_tm.envs.desktop.timing import Timing
from btr_tm.envs.desktop.turn import Turn

GAS: Keys = (1, 0, 0, 0)
AT_REST = 0.5  # m/s
SAME_PLACE_M = 2.0
NEAR_START_M = 20.0  # from the first point of the line, until the place of the start is known
RECORDS_AT_REST = 3
LONGEST_PAUSE_S = 10.0
LOOKS_S = 0.1  # between two looks for the focus
TURNS = 5.0  # m/s: the picture of a car that goes faster changes


@dataclass(frozen=True)
class Limits:
    """How long the game may take, in seconds, and how often it may fail in a row."""

    connect_s: float  # until the first record of telemetry
    focus_s: float  # until somebody clicks into the game's window
    restart_s: float  # from the key that restarts a race until it is seen to have been
    countdown_s: float  # from there to the green light
    stall_s: float  # without a record while racing
    late_s: float  # after the plan: by then the car has driven by itself for too long
    frozen_s: float  # without another picture while the car drives
    tries: int
    pause_s: float  # after the first failure; twice as long after each that follows

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise UserError(f"env.limits.{name} must be more than 0, got {value}")

    @property
    def longest_s(self) -> float:
        """Until a race has begun, or was tried in vain for the last time."""
        a_try_s = self.connect_s + self.focus_s + self.restart_s + self.countdown_s
        return self.tries * (a_try_s + LONGEST_PAUSE_S)


class Devices(NamedTuple):
    """All that goes to a game, and comes from it."""

    telemetry: Telemetry
    controls: Controls
    capture: Capture

    def close(self) -> None:
        """The controls first: nothing must stay pressed."""
        self.controls.close()
        self.capture.close()
        self.telemetry.close()


class Game(Protocol):
    """Whoever knows how to reach a game."""

    def listen(self) -> Telemetry:
        """Another connection to its telemetry, which has one listener at a time."""
        ...

    def open(self, size: tuple[int, int]) -> Devices:
        """Pictures of `size` (height, width), none for (0, 0); UserError, or GameLost if it may come back."""
        ...


class Moment(NamedTuple):
    """What is seen at the start of a race, and at the end of each decision."""

    reading: Reading
    time_ms: int  # of the race
    frame: Frame | None  # none at the finish: nothing is decided there
    lag_s: float = 0.0  # from the record seen before until the keys of this decision were sent


class Racing:
    """Races one after the other, from `start`, where the line begins; `steer_levels` above 1 need a stick."""

    def __init__(
        self,
        game: Game,
        size: tuple[int, int],
        pace: Pace,
        limits: Limits,
        start: Three,
        say: Callable[[str], None],
        turn: Turn,
        timer: Timer,
        steer_levels: int,
    ) -> None:
        self.steer_levels = steer_levels
        self._now, self._sleep = timer
        self._game, self._size, self._pace, self.limits = game, size, pace, limits
        self._start, self._start_known, self._say, self._turn = start, False, say, turn
        self._devices: Devices | None = None
        self._listens = False
        self._latest: Reading  # of the race
        self._echo, self._began_s, self._shown_s, self._lag_s = Echo(), 0.0, 0.0, 0.0
        self.timing = Timing()

    def begin(self) -> Moment:
        """A new race, until the green light; UserError after `tries` failures in a row."""
        self.rest()
        for trial in range(self.limits.tries):
            if trial:
                self._sleep(min(self.limits.pause_s * 2 ** (trial - 1), LONGEST_PAUSE_S))
            try:
                return self.begin_once()
            except GameLost as error:
                reason = error
                self.fail(error)
        raise UserError(f"no race could be begun {self.limits.tries} times in a row: {reason}") from reason

    def decide(self, keys: Keys) -> Moment:
        """Hold these keys until the decision ends; after a GameLost the caller calls `fail`."""
        if not self._listens:
            raise GameLost("nothing was decided for a while, as the learner was busy")
        telemetry, controls, capture = self.open()
        controls.hold(keys)
        sent_s = self._now()
        self._lag_s = sent_s - self._shown_s
        self._echo.hold(keys, sent_s)
        reading, late_ms, missed = self._pace.wait(telemetry)
        age_s = self._refuse_stalled(reading)
        if late_ms > 1000 * self.limits.late_s:
            raise GameLost(
                f"a decision came {late_ms:,.0f} ms late: the computer, or the policy, is too slow"
            )
        time_ms = self._time_ms(reading)
        self._latest = reading
        if reading.finished:
            return Moment(reading, time_ms, None, self._lag_s)
        self._echo.check(reading)
        began_s = self._now()
        frame = capture.frame()
        self.timing.add(late_ms, 1000 * (self._now() - began_s), 1000 * age_s, missed)
        if frame.unchanged_s > self.limits.frozen_s and reading.speed > TURNS:
            raise GameLost(
                f"the picture has been the same for {frame.unchanged_s:.1f} s while the car drives"
            )
        self._shown_s = reading.at_s
        return Moment(reading, time_ms, frame, self._lag_s)

    def rest(self) -> None:
        """Let go of all keys, and of our turn: nothing is decided for now, and others may listen."""
        if self._devices is not None:
            self._devices.controls.release()
            self._devices.telemetry.close()
            self._listens = False
        self._turn.leave()

    def fail(self, error: UserError) -> None:
        """Let go of everything; what is wrong with it is found out when the next race begins."""
        self._say(f"the race is void: {error}")
        self.close()

    def close(self) -> None:
        """The game goes on by itself."""
        if self._devices is not None:
            self._devices.close()
            self._devices, self._listens = None, False
        self._turn.leave()

    def open(self) -> Devices:
        """What goes to the game and comes from it, opened if it is not; waits for our turn."""
        if self._devices is None:
            self._turn.take()
            self._devices = self._game.open(self._size)
            self._refuse_keys(self._devices.controls)
        elif not self._listens:
            self._turn.take()
            self._devices = self._devices._replace(telemetry=self._game.listen())
        self._listens = True
        return self._devices

    def check(self) -> None:
        """UserError, or GameLost, if no race could begin: whatever is missing is found out now."""
        try:
            telemetry, _, capture = self.open()
            capture.begin()
            telemetry.after(0, self.limits.connect_s)
        finally:
            self.close()

    def begin_once(self) -> Moment:
        """The same in one try; GameLost if it fails."""
        telemetry, controls, capture = self.open()
        controls.release()
        self._await_focus(controls)
        capture.begin()
        before = telemetry.after(0, self.limits.connect_s)
        if before.finished:
            controls.tap("confirm")  # the menu that a finish leaves
        controls.tap("restart")
        self._await_restart(telemetry, before)
        controls.hold(GAS)  # as the features of a new race say, and so that the first decision comes in time
        self._echo.hold(GAS, self._now())
        reading = self._await_green(telemetry, controls)
        frame = capture.frame()
        self._began_s = self._shown_s = reading.at_s
        self._latest = reading
        self._pace.begin(reading)
        return Moment(reading, 0, frame, self._lag_s)

    def _await_focus(self, controls: Controls) -> None:
        """Until what is pressed reaches the game: whoever started us has just typed elsewhere."""
        until_s = self._now() + self.limits.focus_s
        if not controls.reaches_game():
            self._say("click into the game's window: it drives from there on")
        while not controls.reaches_game():
            if self._now() > until_s:
                raise GameLost(f"nobody clicked into the game's window for {self.limits.focus_s:.0f} s")
            self._sleep(LOOKS_S)

    def _await_restart(self, telemetry: Telemetry, before: Reading) -> None:
        """Until the race is seen to have begun anew."""
        reading, resting = before, 0
        until_s = self._now() + self.limits.restart_s
        while (left_s := until_s - self._now()) > 0:
            reading = telemetry.after(reading.number, max(left_s, self.limits.stall_s))
            if reading.race_ms is not None:
                assert before.race_ms is not None
                if not reading.finished and (reading.race_ms <= 0 or reading.race_ms < before.race_ms):
                    return
            else:
                resting = resting + 1 if self._at_start(reading) else 0
                if resting == RECORDS_AT_REST:
                    self._start, self._start_known = reading.position, True
                    return
        raise GameLost(
            "the race did not begin anew after the restart key; in the game it must be the key of 'give up', "
            "not the one that goes back to a checkpoint"
        )

    def _at_start(self, reading: Reading) -> bool:
        near_m = SAME_PLACE_M if self._start_known else NEAR_START_M
        away_m = math.dist(reading.position, self._start)
        return not reading.finished and reading.speed < AT_REST and away_m < near_m

    def _await_green(self, telemetry: Telemetry, controls: Controls) -> Reading:
        """Until the clock runs or, where there is none, until the car moves, as the gas is held."""
        reading = telemetry.latest()
        until_s = self._now() + self.limits.countdown_s
        while (left_s := until_s - self._now()) > 0:
            if (reading.speed > AT_REST) if reading.race_ms is None else (reading.race_ms > 0):
                return reading
            controls.hold(GAS)  # said again, as a hand lets go of what nobody asks for any more
            reading = telemetry.after(reading.number, max(left_s, self.limits.stall_s))
        raise GameLost(f"no race has begun {self.limits.countdown_s:.0f} s after the restart")

    def _refuse_keys(self, controls: Controls) -> None:
        if self.steer_levels > 1 and not controls.stick:
            self.close()
            raise UserError(
                f"a key steers fully or not at all, and env.steer_levels={self.steer_levels} steers by "
                "parts; choose env/controls=pad, or a driver that was trained with env.steer_levels=1"
            )

    def _refuse_stalled(self, reading: Reading) -> float:
        age_s = self._now() - reading.at_s
        if age_s > self.limits.stall_s:
            raise GameLost(f"the telemetry has said nothing for {1000 * age_s:,.0f} ms; is the game paused?")
        return age_s

    def _time_ms(self, reading: Reading) -> int:
        """Of the race; a clock that shows less at the finish than before is not looked at there."""
        if reading.race_ms is None:
            return round(1000 * (reading.at_s - self._began_s))
        before_ms = self._latest.race_ms
        if reading.finished and before_ms is not None and reading.race_ms < before_ms:
            return before_ms + round(1000 * (reading.at_s - self._latest.at_s))
        return reading.race_ms
