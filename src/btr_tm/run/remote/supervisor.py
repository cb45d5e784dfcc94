"""What a collector with workers keeps track of: restarts, versions of weights, races that were lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.types import StateDict
from btr_tm.run.remote.counts import Counts

PATIENCE_S = 0.5  # longest wait for a chunk before the loop goes on
MAX_FAILED_STARTS = 3  # generations in a row without a chunk: the reason is not chance


class WorkerHandle:
    """The supervisor's side of one worker: a process or an actor that is replaced when it fails."""

    def __init__(self, worker: int, cars: int) -> None:
        self.worker = worker  # its number
        self.generation = 0  # how many were started before the present one
        self.cars = slice(worker * cars, (worker + 1) * cars)
        self.received = 0  # chunks of this generation
        self.failed_starts = 0  # generations in a row that ended before their first chunk
        self.lost_races = 0  # by the game of this generation, as of its last chunk
        self.served_at = 0  # turn in which a chunk of it was taken last


AnyHandle = TypeVar("AnyHandle", bound=WorkerHandle)


class Supervisor:
    """Counts what happens to the workers behind `handles`; starting and stopping them is up to the collector.

    Weights are published every `publish_every` updates of `clock`; chunks driven with weights more than
    `stale_versions` behind are stale.
    """

    def __init__(
        self, handles: Sequence[WorkerHandle], clock: Clock, publish_every: int, stale_versions: int
    ) -> None:
        self.handles, self.clock = handles, clock
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

    def next(self, ready: Iterable[AnyHandle]) -> AnyHandle | None:
        """The worker whose chunk is taken next: of those with a chunk, the one served longest ago."""
        handle = min(ready, key=lambda handle: handle.served_at, default=None)
        if handle is not None:
            self._turn += 1
            handle.served_at = self._turn
        return handle

    def accept(self, handle: WorkerHandle, version: int, size: int) -> bool:
        """Count a chunk of `size` bytes; False if its weights are too old to learn from it."""
        handle.received += 1
        behind = self._version - version
        self.counts.arrived(behind, size)
        self.counts.stale += behind > self.stale_versions
        return behind <= self.stale_versions

    def failed(self, handle: WorkerHandle, fault: str, reason: str) -> None:
        """Count a failure: the open races of its cars are void, and the next generation may start.

        Raises UserError if generation after generation fails before its first chunk.
        """
        handle.failed_starts = 0 if handle.received else handle.failed_starts + 1
        if handle.failed_starts >= MAX_FAILED_STARTS:
            raise UserError(
                f"collector {handle.worker} failed {MAX_FAILED_STARTS} times before it had driven anything "
                f"({' '.join(reason.split())[-300:]}); collector=inline shows where it happens"
            )
        self.counts.fault(fault)
        self._lost.append(handle.cars)
        handle.generation, handle.received, handle.lost_races = handle.generation + 1, 0, 0

    def lost_in_game(self, handle: WorkerHandle, void: bool, lost_races: int) -> list[slice]:
        """Count the races lost until a chunk of `handle`; the cars whose race open before it is `void`."""
        self.counts.lost_races += lost_races - handle.lost_races
        handle.lost_races = lost_races
        return [handle.cars] if void else []

    def take_lost(self) -> list[slice]:
        """Cars whose open races became void since the last call."""
        lost, self._lost = self._lost, []
        return lost

    def state_dict(self) -> StateDict:
        """Counters and generations; the races under way are not part of it."""
        return {"generations": [handle.generation for handle in self.handles], **self.counts.state_dict()}

    def load_state_dict(self, state: StateDict) -> None:
        """Go on with the next generation of every worker: new seeds, and what was under way is void."""
        self.counts.load_state_dict(state)
        for handle, generation in zip(self.handles, state["generations"], strict=True):
            handle.generation = int(generation) + 1
            self._lost.append(handle.cars)
