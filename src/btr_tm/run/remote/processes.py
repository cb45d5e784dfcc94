"""Collectors in processes of this machine: started, supervised and, where they fail, replaced."""

from __future__ import annotations

import time
from collections import deque
from multiprocessing import connection
from pathlib import Path
from typing import Any

import psutil
from torch import nn

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import Policy
from btr_tm.core.types import Chunk
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.run.remote.arrays import Shared
from btr_tm.run.remote.chunk import ChunkFormat, checksum
from btr_tm.run.remote.crew import PATIENCE_S, Crew, Place
from btr_tm.run.remote.guard import spawning
from btr_tm.run.remote.weights import WeightsBoard, weights_of
from btr_tm.run.remote.worker import Assignment, Build, Failed, Ready, pulse_layout, work

WORKER_BYTES = 400 * 2**20  # of a process with torch, a small network and a simulator
SHARED = Path("/dev/shm")  # where Linux keeps shared memory; containers often have little of it


class Seat(Place):
    """A place whose shared memory outlives the processes that take it in turns."""

    def __init__(self, worker: int, format: ChunkFormat, slots: int) -> None:
        super().__init__(worker, format.cars)
        self.chunks = Shared(format.layout, slots)
        self.inbox: deque[Ready] = deque()
        self.process: Any = None
        self.line: Any = None
        self.fault = ""  # why this life is over; its inbox may still hold chunks
        self.beats, self.seen_alive = -1, 0.0

    def stop(self) -> None:
        """End the process of this seat, however it feels about it."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process.close()
            self.line.close()
            self.process = None


class ProcessCollector:
    """`workers` processes that share the cars of `env`; `collect` hands over one chunk at a time.

    A chunk holds `decisions` of each car of one worker. `env` itself only says how frames look.

    `build(worker, life)` makes environment and policy inside a process; it must be picklable. Weights go out
    every `publish_every` updates, with the frames of `clock`, which drive exploration. A worker that dies,
    sends a damaged chunk or shows no heartbeat for `stall_s` is replaced, and the open races of its cars are
    void. Chunks driven with weights more than `stale_versions` behind are dropped. `slots` chunks per worker
    may wait; then it waits too.
    """

    def __init__(
        self,
        build: Build,
        env: Any,
        net: nn.Module,
        clock: Clock,
        workers: int = 2,
        decisions: int = 8,
        slots: int = 4,
        publish_every: int = 1,
        stale_versions: int = 1000,
        stall_s: float = 60.0,
        start_s: float = 300.0,
        watch: Stopwatch | None = None,
    ) -> None:
        self.build, self.slots = build, slots
        self.format = ChunkFormat.of(env, workers, decisions)
        refuse_too_many(workers, slots * self.format.layout.size)
        refuse_little_shared(workers * slots * self.format.layout.size + 8 * weights_of(net).numel())
        self.stall_s, self.start_s = stall_s, start_s
        self.clock, self.watch = clock, watch or Stopwatch()
        self.board = WeightsBoard(weights_of(net).numel())
        self.pulse = Shared(pulse_layout(workers))
        self.seats = [Seat(worker, self.format, slots) for worker in range(workers)]
        self.crew = Crew(self.seats, clock, publish_every, stale_versions)
        self.counts = self.crew.counts
        self._lent: tuple[Seat, int] | None = None
        self._closed = False

    def collect(self, policy: Policy) -> Chunk:
        """A chunk of the worker that has waited for longest, or an empty one after `PATIENCE_S`.

        Its tensors are views of shared memory, valid until the next call.
        """
        self._take_back()
        self._publish(policy)
        with self.watch("waiting"):
            seat = self._await_chunk()
        lost = self.crew.take_lost()
        if seat is None:
            return Chunk([], [], 0, lost=lost, metrics=self.counts.sample())
        ready = seat.inbox.popleft()
        self.watch.charge(ready.cpu_s)
        self._lent = (seat, ready.slot)
        return self._open(seat, ready, lost)

    def _publish(self, policy: Any) -> None:
        self.board.frames = self.clock.frames
        self.crew.publish(lambda version: self.board.publish(weights_of(policy.net), version))

    def _take_back(self) -> None:
        """The chunk lent by the last `collect` has been stored: its slot is free."""
        if self._lent is None:
            return
        seat, slot = self._lent
        self._lent = None
        if not seat.fault:
            self._send(seat, slot)

    @staticmethod
    def _send(seat: Seat, slot: int) -> None:
        try:
            seat.line.send(slot)
        except (BrokenPipeError, ConnectionResetError):
            seat.fault = seat.fault or "died"

    def _await_chunk(self) -> Seat | None:
        """The seat whose chunk is next; None when patience ends."""
        until = time.monotonic() + PATIENCE_S
        while True:
            self._supervise()
            seat = self.crew.next(seat for seat in self.seats if seat.inbox)
            if seat:
                return seat
            left = until - time.monotonic()
            if left <= 0:
                return None
            connection.wait([seat.line for seat in self.seats if not seat.fault], left)

    def _supervise(self) -> None:
        """Read what arrived, notice who failed, replace those whose chunks are all used."""
        now = time.monotonic()
        for seat in self.seats:
            if seat.process is None:
                self._start(seat, now)
            if not seat.fault:
                self._drain(seat)
                self._check_pulse(seat, now)
            if seat.fault and not seat.inbox:
                self._replace(seat, now)

    def _drain(self, seat: Seat) -> None:
        try:
            while seat.line.poll():
                message = seat.line.recv()
                if isinstance(message, Failed):
                    seat.fault = message.reason
                    return
                seat.inbox.append(message)
        except (EOFError, OSError):
            seat.fault = "died"

    def _check_pulse(self, seat: Seat, now: float) -> None:
        beats = int(self.pulse.records[0]["beats"][seat.worker])
        if beats != seat.beats:
            seat.beats, seat.seen_alive = beats, now
        elif not seat.fault and now - seat.seen_alive > (self.stall_s if seat.received else self.start_s):
            seat.fault = "hung"

    def _start(self, seat: Seat, now: float) -> None:
        context = spawning()
        seat.line, theirs = context.Pipe()
        told = Assignment(
            seat.worker, seat.life, self.build, self.format, self.board.name, self.board.size,
            seat.chunks.name, self.slots, self.pulse.name, len(self.seats),
        )  # fmt: skip
        name = f"btr_tm collector {seat.worker}"
        process = context.Process(target=work, args=(told, theirs), name=name, daemon=True)
        process.start()
        seat.process = process
        theirs.close()
        seat.fault, seat.seen_alive = "", now
        for slot in range(self.slots):
            self._send(seat, slot)

    def _replace(self, seat: Seat, now: float) -> None:
        self.crew.bury(seat, seat.fault, seat.fault)
        seat.stop()
        self._start(seat, now)

    def _open(self, seat: Seat, ready: Ready, lost: list[slice]) -> Chunk:
        """The chunk in a slot, unless it is damaged or stale."""
        metrics = self.counts.sample()
        if ready.number != seat.received or checksum(seat.chunks.bytes_of(ready.slot)) != ready.checksum:
            seat.inbox.clear()
            seat.fault = "damaged"
            return Chunk([], [], 0, lost=lost, metrics=metrics)
        if not self.crew.fresh(seat, ready.version, self.format.layout.size):
            return Chunk([], [], 0, lost=lost, cut=[seat.cars], metrics=metrics)
        transitions, races = self.format.unpack(seat.chunks.records[ready.slot])
        return Chunk(transitions, races, self.format.frames, seat.cars, lost, metrics=metrics)

    def wait_until_full(self) -> None:
        """Until every worker is held back by chunks that nobody takes: for measurements and tests."""
        self._take_back()
        while any(len(seat.inbox) < self.slots for seat in self.seats):
            self._supervise()
            time.sleep(0.02)

    def state_dict(self) -> dict[str, Any]:
        return self.crew.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.crew.load_state_dict(state)

    def close(self) -> None:
        """End every worker and remove the shared memory; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        for seat in self.seats:
            seat.stop()
            seat.chunks.close()
        self.board.close()
        self.pulse.close()


def refuse_too_many(workers: int, chunk_bytes: int, name: str = "workers") -> None:
    """Raise UserError if that many workers, with their chunks, would not fit into the free memory."""
    needed, free = workers * (WORKER_BYTES + chunk_bytes), psutil.virtual_memory().available
    if needed > free:
        raise UserError(
            f"expected collectors that fit into the free memory of {free / 2**30:.1f} GiB, got {workers} "
            f"workers that need about {needed / 2**30:.1f} GiB; "
            f"set collector.{name}={free // (needed // workers)}"
        )


def refuse_little_shared(needed: int) -> None:
    """Raise UserError if `needed` bytes do not fit into the shared memory: writing there would kill."""
    free = psutil.disk_usage(str(SHARED)).free if SHARED.is_dir() else needed
    if needed > free:
        raise UserError(
            f"expected chunks and weights that fit into {SHARED.as_posix()}, {free / 2**20:.0f} MiB, got "
            f"{needed / 2**20:.0f} MiB; lower collector.slots or give it more (docker run --shm-size)"
        )
