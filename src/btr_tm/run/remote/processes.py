"""Collectors in processes of this machine: started, supervised and, where they fail, replaced."""

from __future__ import annotations

import pickle
import time
from collections import deque
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import psutil
from torch import nn

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import DrivingEnv, Policy
from btr_tm.core.types import Chunk, StateDict
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.run.remote.arrays import Shared
from btr_tm.run.remote.child_process import shielded, spawn_context
from btr_tm.run.remote.chunk import ChunkFormat, checksum
from btr_tm.run.remote.supervisor import PATIENCE_S, Supervisor, WorkerHandle
from btr_tm.run.remote.weights import SharedWeights, weights_of
from btr_tm.run.remote.worker import BuildWorker, ChunkReady, Failed, WorkerSetup, heartbeat_layout, work

LEAVE_S = 5.0  # for workers to let go of their games at the end
WORKER_BYTES = 400 * 2**20  # of a process with torch, a small network and a simulator
SHARED = Path("/dev/shm")  # where Linux keeps shared memory; containers often have little of it


class ProcessHandle(WorkerHandle):
    """A worker process and what it shares with this one; the shared memory outlives its generations."""

    process: SpawnProcess | None = None
    pipe: connection.Connection

    def __init__(self, worker: int, format: ChunkFormat, slots: int) -> None:
        super().__init__(worker, format.cars)
        self.chunks = Shared(format.layout, slots)
        self.inbox: deque[ChunkReady] = deque()
        self.fault = ""  # why this generation is over; its inbox may still hold chunks
        self.beats, self.seen_alive = -1, 0.0

    def ask_to_end(self) -> None:
        """The process ends once it has noticed, and closes its environment before."""
        if self.process is not None:
            self.pipe.close()

    def stop(self, patience_s: float = 0.0) -> None:
        """End the process after `patience_s`, whatever it is doing then."""
        if self.process is not None:
            self.process.join(patience_s)
            self.process.kill()
            self.process.join()
            self.process.close()
            self.pipe.close()
            self.process = None


class ProcessCollector:
    """`workers` processes that share the cars of `env`; `collect` hands over one chunk at a time.

    A chunk holds `decisions` of each car of one worker. `env` itself only says what observations look like.

    `build(worker, generation)` makes environment and policy inside a process; it must be picklable. Weights
    are published every `publish_every` updates, with the frames of `clock`, which drive exploration. A worker
    that dies, sends a damaged chunk or shows no heartbeat for `stall_s` (before its first chunk `start_s`,
    never less than the patience of `env`) is replaced, and the open races of its cars are void. Chunks driven
    with weights more than `stale_versions` behind are dropped. `slots` chunks per worker may wait; then it
    waits too.
    """

    def __init__(
        self,
        build: BuildWorker,
        env: DrivingEnv,
        net: nn.Module,
        clock: Clock,
        workers: int,
        decisions: int,
        slots: int,
        publish_every: int,
        stale_versions: int,
        stall_s: float,
        start_s: float,
    ) -> None:
        refuse_unpicklable(build)
        self.build, self.slots = build, slots
        self.format = ChunkFormat.of(env, workers, decisions)
        refuse_too_many(workers, slots * self.format.layout.size)
        refuse_little_shared(workers * slots * self.format.layout.size + 8 * weights_of(net).numel())
        self.stall_s, self.start_s = max(stall_s, env.patience_s), max(start_s, env.patience_s)
        self.clock, self.watch = clock, Stopwatch()
        self.weights = SharedWeights(weights_of(net).numel())
        self.heartbeats = Shared(heartbeat_layout(workers))
        self.handles = [ProcessHandle(worker, self.format, slots) for worker in range(workers)]
        self.supervisor = Supervisor(self.handles, clock, publish_every, stale_versions)
        self.counts = self.supervisor.counts
        self._lent: tuple[ProcessHandle, int] | None = None
        self._closed = False

    def collect(self, policy: Policy) -> Chunk:
        """A chunk of the worker served longest ago, or an empty one after `PATIENCE_S`.

        Its tensors are views of shared memory, valid until the next call.
        """
        self._take_back()
        self._publish(policy)
        with self.watch("waiting"):
            handle = self._await_chunk()
        lost = self.supervisor.take_lost()
        if handle is None:
            return Chunk([], [], 0, lost=lost, metrics=self.counts.sample())
        ready = handle.inbox.popleft()
        self.watch.charge(ready.cpu_s)
        self._lent = (handle, ready.slot)
        return self._open(handle, ready, lost)

    def _publish(self, policy: Policy) -> None:
        self.weights.frames = self.clock.frames
        self.supervisor.publish(lambda version: self.weights.publish(weights_of(policy.net), version))

    def _take_back(self) -> None:
        """The chunk lent by the last `collect` has been stored: its slot is free."""
        if self._lent is None:
            return
        handle, slot = self._lent
        self._lent = None
        if not handle.fault:
            self._send(handle, slot)

    @staticmethod
    def _send(handle: ProcessHandle, slot: int) -> None:
        try:
            handle.pipe.send(slot)
        except (BrokenPipeError, ConnectionResetError):
            handle.fault = handle.fault or "died"

    def _await_chunk(self) -> ProcessHandle | None:
        """The worker whose chunk is next; None after `PATIENCE_S`."""
        until = time.monotonic() + PATIENCE_S
        while True:
            self._supervise()
            handle = self.supervisor.next(handle for handle in self.handles if handle.inbox)
            if handle:
                return handle
            left = until - time.monotonic()
            if left <= 0:
                return None
            connection.wait([handle.pipe for handle in self.handles if not handle.fault], left)

    def _supervise(self) -> None:
        """Read what arrived, notice who failed, replace those whose chunks are all used."""
        now = time.monotonic()
        for handle in self.handles:
            if handle.process is None:
                self._start(handle, now)
            if not handle.fault:
                self._drain(handle)
                self._check_heartbeat(handle, now)
            if handle.fault and not handle.inbox:
                self._replace(handle, now)

    def _drain(self, handle: ProcessHandle) -> None:
        try:
            while handle.pipe.poll():
                message = handle.pipe.recv()
                if isinstance(message, Failed):
                    if message.final:
                        raise UserError(message.reason)
                    handle.fault = message.reason
                    return
                handle.inbox.append(message)
        except (EOFError, OSError):
            handle.fault = "died"

    def _check_heartbeat(self, handle: ProcessHandle, now: float) -> None:
        beats = int(self.heartbeats.records[0]["beats"][handle.worker])
        patience_s = self.stall_s if handle.received else self.start_s
        if beats != handle.beats:
            handle.beats, handle.seen_alive = beats, now
        elif not handle.fault and now - handle.seen_alive > patience_s:
            handle.fault = "hung"

    def _start(self, handle: ProcessHandle, now: float) -> None:
        context = spawn_context()
        handle.pipe, theirs = context.Pipe()
        setup = WorkerSetup(
            handle.worker, handle.generation, self.build, self.format, self.weights.name, self.weights.size,
            handle.chunks.name, self.slots, self.heartbeats.name, len(self.handles),
        )  # fmt: skip
        name = f"btr_tm collector {handle.worker}"
        process = context.Process(target=work, args=(setup, theirs), name=name, daemon=True)
        with shielded():
            process.start()
        handle.process = process
        theirs.close()
        handle.fault, handle.seen_alive = "", now
        for slot in range(self.slots):
            self._send(handle, slot)

    def _replace(self, handle: ProcessHandle, now: float) -> None:
        self.supervisor.failed(handle, handle.fault, handle.fault)
        handle.stop()
        self._start(handle, now)

    def _open(self, handle: ProcessHandle, ready: ChunkReady, lost: list[slice]) -> Chunk:
        """The chunk in a slot, unless it is damaged or stale."""
        metrics = self.counts.sample()
        intact = checksum(handle.chunks.bytes_of(ready.slot)) == ready.checksum
        if ready.number != handle.received or not intact:
            handle.inbox.clear()
            handle.fault = "damaged"
            return Chunk([], [], 0, lost=lost, metrics=metrics)
        arrays = handle.chunks.records[ready.slot]
        lost += self.supervisor.lost_in_game(handle, *self.format.unpack_losses(arrays))
        if not self.supervisor.accept(handle, ready.version, self.format.layout.size):
            return Chunk([], [], 0, lost=lost, cut=[handle.cars], metrics=metrics)
        transitions, races = self.format.unpack(arrays)
        metrics = self.counts.sample()
        return Chunk(transitions, races, self.format.frames, handle.cars, lost, metrics=metrics)

    def wait_until_full(self) -> None:
        """Until chunks fill all slots of every worker, so that it waits: for measurements and tests."""
        self._take_back()
        while any(len(handle.inbox) < self.slots for handle in self.handles):
            self._supervise()
            time.sleep(0.02)

    def state_dict(self) -> StateDict:
        return self.supervisor.state_dict()

    def load_state_dict(self, state: StateDict) -> None:
        self.supervisor.load_state_dict(state)

    def close(self) -> None:
        """End every worker and remove the shared memory; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        until = time.monotonic() + LEAVE_S
        for handle in self.handles:
            handle.ask_to_end()
        for handle in self.handles:
            handle.stop(max(0.0, until - time.monotonic()))
            handle.chunks.close()
        self.weights.close()
        self.heartbeats.close()


def refuse_unpicklable(build: BuildWorker) -> None:
    """Raise UserError if `build` could not be sent to a process."""
    try:
        pickle.dumps(build)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UserError(
            f"what makes the environments of the workers cannot be pickled ({' '.join(str(error).split())}); "
            "define it in a module, not in a function or a notebook, or use collector=inline"
        ) from error


def refuse_too_many(workers: int, chunk_bytes: int, name: str = "workers") -> None:
    """Raise UserError if that many workers, with their chunks, would not fit into the free memory."""
    needed, free = workers * (WORKER_BYTES + chunk_bytes), psutil.virtual_memory().available
    if needed > free:
        raise UserError(
            f"{workers} workers need about {needed / 2**30:.1f} GiB of memory, but only "
            f"{free / 2**30:.1f} GiB are free; set collector.{name}={free // (needed // workers)}"
        )


def refuse_little_shared(needed: int) -> None:
    """Raise UserError if `needed` bytes do not fit into the shared memory, which would end in a crash."""
    free = psutil.disk_usage(str(SHARED)).free if SHARED.is_dir() else needed
    if needed > free:
        raise UserError(
            f"chunks and weights need {needed / 2**20:.0f} MiB, but {SHARED.as_posix()} has only "
            f"{free / 2**20:.0f} MiB free; lower collector.slots or enlarge it (docker run --shm-size)"
        )
