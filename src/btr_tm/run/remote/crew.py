"""What a crew of collectors needs wherever it works: places, lives, versions of weights, what became void."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.run.remote.counts import Counts

PATIENCE_S = 0.5  # longest wait for a chunk before the loop gets its turn
STILLBORN = 3  # lives in a row without a chunk: the reason is not chance


class Place:
    """One worker's place, with its cars; workers take it in turns, each for a life."""

    def __init__(self, worker: int, cars: int) -> None:
        self.worker, self.life = worker, 0
        self.cars = slice(worker * cars, (worker + 1) * cars)
        self.received = 0  # chunks of this life
        self.stillborn = 0
        self.served = 0  # turn in which a chunk of this place was taken last


AnyPlace = TypeVar("AnyPlace", bound=Place)


class Crew:
    """Keeps the books of the workers at `places`.

    Weights go out every `publish_every` updates of `clock`; chunks driven with weights more than
    `stale_versions` behind are stale.
    """

    def __init__(
        self, places: Sequence[Place], clock: Clock, publish_every: int, stale_versions: int
    ) -> None:
        self.places, self.clock = places, clock
        self.publish_every, self.stale_versions = publish_every, stale_versions
        self.counts = Counts()
        self._version = self._updates = self._turn = 0
        self._lost: list[slice] = []

    def publish(self, send: Callable[[int], None]) -> None:
        """Call `send(version)` if a new version is due; versions count up from 1."""
        if self._version and self.clock.updates < self._updates + self.publish_every:
            return
        begin = time.perf_counter()
        self._version, self._updates = self._version + 1, self.clock.updates
        send(self._version)
        self.counts.published(time.perf_counter() - begin)

    def next(self, ready: Iterable[AnyPlace]) -> AnyPlace | None:
        """Whose turn it is among those with a chunk: who has waited for longest."""
        place = min(ready, key=lambda place: place.served, default=None)
        if place is not None:
            self._turn += 1
            place.served = self._turn
        return place

    def fresh(self, place: Place, version: int, size: int) -> bool:
        """Enter a chunk of `size` bytes; False if its weights are too old to learn from it."""
        place.received += 1
        behind = self._version - version
        self.counts.arrived(behind, size)
        self.counts.stale += behind > self.stale_versions
        return behind <= self.stale_versions

    def bury(self, place: Place, fault: str, reason: str) -> None:
        """End the life at `place`: its open races are void, and the next life may begin.

        Raises UserError if life after life ends without a chunk.
        """
        place.stillborn = 0 if place.received else place.stillborn + 1
        if place.stillborn >= STILLBORN:
            raise UserError(
                f"expected collector {place.worker} to drive, got {STILLBORN} failures before its first "
                f"chunk ({' '.join(reason.split())[-300:]}); collector=inline shows where it happens"
            )
        self.counts.fault(fault)
        self._lost.append(place.cars)
        place.life, place.received = place.life + 1, 0

    def take_lost(self) -> list[slice]:
        """Cars whose open races became void since the last call."""
        lost, self._lost = self._lost, []
        return lost

    def state_dict(self) -> dict[str, Any]:
        """Counters and lives; the races under way are not part of it."""
        return {"lives": [place.life for place in self.places], **self.counts.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the next life of every worker: new seeds, and what was under way is void."""
        self.counts.load_state_dict(state)
        for place, life in zip(self.places, state["lives"], strict=True):
            place.life = int(life) + 1
            self._lost.append(place.cars)
