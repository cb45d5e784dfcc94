"""The game without its window: the clock, the countdown, laps, records. Real time comes in as an argument.

A tick of 10 ms is driven as soon as its time has come, whatever the rate of pictures. When the computer falls
behind by more than LAG_MS, the race waits for it: the clock of the race is slower then, its physics the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from btr_tm.play.keyboard import Keyboard
from btr_tm.play.lap import Lap, Rival
from btr_tm.play.records import Records
from btr_tm.race.actions import TICK_MS
from btr_tm.report.race_signs import Split, passed_ms
from btr_tm.report.redrive import Redriven
from btr_tm.sim.colour.car_mesh import Colour
from btr_tm.sim.kernel_world import KernelWorld
from btr_tm.sim.starts import Starts
from btr_tm.sim.track.ribbon import Track

COUNTDOWN_MS = 1500.0
LAG_MS = 100.0
YOUR_BEST: Colour = (250, 250, 250)
GHOST_OPACITY = 0.45


class Phase(Enum):
    """What is going on."""

    COUNTDOWN = "countdown"
    RACING = "racing"
    FINISHED = "finished"


class Game:
    """One player on one track. `rivals` race along; the first of them is the one to beat."""

    def __init__(self, track: Track, rivals: Sequence[Rival], records: Records) -> None:
        self.track, self.rivals, self.records = track, list(rivals), records
        self.world = KernelWorld(track.to("cpu"), ticks_per_action=1)
        self.start = Starts(self.world).canonical(1)
        self.keyboard = Keyboard()
        self.best: Redriven | None = records.best()
        self.paused = False
        self.laps = 0  # started so far
        self.saved: Path | None = None  # the lap that has just been finished
        self.beaten_ms: int | None = None  # the record before this lap, if the lap is faster
        self._begin()

    def _begin(self) -> None:
        self.lap = Lap(self.world, self.start)
        self.clock_ms = -COUNTDOWN_MS
        self.laps += 1
        self.paused, self.saved, self.beaten_ms = False, None, None
        self.record_ms = self.best.time_ms if self.best is not None else None
        self.cars = self._cars()
        self._reference = self._reference_ms()

    def restart(self) -> None:
        """From the start line again; keys that are held stay held."""
        self._begin()

    def toggle_pause(self) -> None:
        """Stop the clock, or let it go on; at the finish there is nothing to stop."""
        self.paused = not self.paused and self.phase is not Phase.FINISHED

    def leave(self) -> None:
        """The player looks elsewhere: no key is held, and a race under way is paused.

        A pad is heard all the same and holds what it holds.
        """
        self.keyboard.release_all()
        self.paused = self.phase is not Phase.FINISHED

    @property
    def phase(self) -> Phase:
        if self.lap.finished:
            return Phase.FINISHED
        return Phase.COUNTDOWN if self.clock_ms < 0 else Phase.RACING

    @property
    def is_record(self) -> bool:
        """Whether the lap that was just finished is the fastest so far."""
        return self.lap.finished and (self.record_ms is None or self.lap.time_ms < self.record_ms)

    @property
    def shown_ms(self) -> float:
        """The moment that a picture shows: one tick back, so that it lies between two that are driven."""
        return float(self.lap.time_ms) if self.lap.finished else max(0.0, self.clock_ms - TICK_MS)

    def advance(self, elapsed_ms: float) -> None:
        """Real time has passed: drive the ticks that are due with the keys held now."""
        if self.paused or self.lap.finished:
            return
        self.clock_ms += min(elapsed_ms, LAG_MS)
        while not self.lap.finished and self.lap.time_ms + TICK_MS <= self.clock_ms:
            self.lap.tick(self.keyboard.take())
        if self.lap.finished:
            self._finish()

    def _finish(self) -> None:
        self.clock_ms = float(self.lap.time_ms)
        race = self.lap.race()
        self.saved = self.records.save(race)
        if self.is_record:
            self.best, self.beaten_ms = race, self.record_ms

    def _cars(self) -> list[Rival]:
        """Everyone who races along in this lap."""
        own = [] if self.best is None else [Rival("your best", self.best, YOUR_BEST, GHOST_OPACITY)]
        return [*self.rivals, *own]

    def _reference_ms(self) -> list[float]:
        """When the one to compare with passed the checkpoints: your best lap, else the first rival."""
        race = self.best or (self.rivals[0].race if self.rivals else None)
        return passed_ms(race, self.track.checkpoints_m) if race is not None else []

    def splits(self) -> list[Split]:
        """The checkpoints of this lap, with the gap to your best lap, or to the first rival."""
        found = []
        for number, time_ms in self.lap.passed:
            theirs = self._reference[number - 1] if self._reference else float("inf")
            gap_ms = None if theirs == float("inf") else int(time_ms - theirs)
            found.append(Split(number, time_ms, gap_ms))
        return found
