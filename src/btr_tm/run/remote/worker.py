"""What runs in a collector process: drive chunk after chunk with the newest weights until it is ended."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing import connection
from typing import NamedTuple

import numpy as np
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import Decision, DrivingEnv, Policy
from btr_tm.core.types import Obs
from btr_tm.run.collector import InlineCollector
from btr_tm.run.rehearsal import rehearse
from btr_tm.run.remote.arrays import Field, Layout, Shared
from btr_tm.run.remote.child_process import die_with_parent, ignore_signals
from btr_tm.run.remote.chunk import ChunkFormat, checksum
from btr_tm.run.remote.weights import SharedWeights, set_weights

POLL_S = 0.2  # how often a waiting worker shows that it lives
LONGEST_REASON = 4000  # characters: fits into the pipe whole


class WorkerParts(NamedTuple):
    """What a worker drives with; the clock is what its exploration schedules read."""

    env: DrivingEnv
    policy: Policy
    clock: Clock


BuildWorker = Callable[[int, int], WorkerParts]  # (worker, generation) -> parts; picklable


class ChunkReady(NamedTuple):
    """A chunk lies complete in a slot."""

    slot: int
    number: int  # counts the chunks of this generation from 0
    version: int  # of the weights that drove it
    checksum: int
    cpu_s: float  # spent since the chunk before


class Failed(NamedTuple):
    """The worker gives up; a UserError is `final`: another start would end in the same way."""

    reason: str
    final: bool = False


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker is given at its start."""

    worker: int
    generation: int  # how many were started before it with this number
    build: BuildWorker
    format: ChunkFormat
    weights: str  # name of the shared memory with weights
    weight_count: int  # numbers in it
    chunks: str  # name of the shared memory with slots
    slots: int
    heartbeats: str  # name of the shared memory with a counter per worker
    workers: int


def heartbeat_layout(workers: int) -> Layout:
    """One counter per worker."""
    return Layout({"beats": Field((workers,), np.dtype(np.int64))})


def work(setup: WorkerSetup, pipe: connection.Connection) -> None:
    """Entry point of a collector process."""
    ignore_signals()
    die_with_parent()  # an environment that hangs must not outlive the learner
    torch.set_num_threads(1)
    try:
        _Worker(setup, pipe).run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the learner is gone
    except UserError as error:
        pipe.send(Failed(str(error), final=True))
    except Exception:
        reason = traceback.format_exc(limit=-3)[-LONGEST_REASON:]
        with suppress(OSError):  # the learner may be gone, which is then the reason
            pipe.send(Failed(reason))  # whatever it is, it is for the learner to say
        raise SystemExit(1) from None  # without a traceback of its own


class _Worker:
    def __init__(self, setup: WorkerSetup, pipe: connection.Connection) -> None:
        self.setup, self.pipe = setup, pipe
        self.weights = SharedWeights(setup.weight_count, setup.weights)
        self.chunks = Shared(setup.format.layout, setup.slots, setup.chunks)
        self.heartbeats = Shared(heartbeat_layout(setup.workers), name=setup.heartbeats)
        self.version, self._cpu_s = 0, 0.0
        self._beat()
        self.parts = setup.build(setup.worker, setup.generation)

    def _beat(self) -> None:
        self.heartbeats.records[0]["beats"][self.setup.worker] += 1

    def act(self, obs: Obs, explore: bool) -> Decision:
        """The policy's decision; each one is a heartbeat."""
        self._beat()
        return self.parts.policy.act(obs, explore)

    def unchanged(self) -> AbstractContextManager[None]:
        """Of the policy."""
        return self.parts.policy.unchanged()

    def run(self) -> None:
        """Until the learner is gone; then the environment is closed, which lets go of a game."""
        try:
            rehearse(self.parts.env, self.parts.policy, explore=True)
            self._drive(InlineCollector(self.parts.env, self.setup.format.decisions))
        finally:
            self.parts.env.close()

    def _drive(self, collector: InlineCollector) -> None:
        number = 0
        while True:
            slot = self._next_slot()
            self._update()
            chunk = collector.collect(self)
            self.setup.format.pack(chunk.transitions, chunk.races, self.chunks.records[slot])
            self.setup.format.pack_losses(chunk, self.chunks.records[slot])
            crc = checksum(self.chunks.bytes_of(slot))
            self.pipe.send(ChunkReady(slot, number, self.version, crc, self._spent()))
            number += 1

    def _spent(self) -> float:
        before, self._cpu_s = self._cpu_s, time.process_time()
        return self._cpu_s - before

    def _next_slot(self) -> int:
        """Wait until the learner frees a slot: this is where a full queue holds the worker back."""
        while not self.pipe.poll(POLL_S):
            self.parts.env.pause()
            self._beat()
        return self.pipe.recv()

    def _update(self) -> None:
        if self.weights.version != self.version:
            self.version, weights = self.weights.read()
            set_weights(self.parts.policy.net, weights)
        self.parts.clock.frames = self.weights.frames
