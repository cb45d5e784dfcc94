"""What runs in a collector process: drive chunk after chunk with the newest weights until told to stop."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any, NamedTuple

import numpy as np
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Decision
from btr_tm.core.types import Obs
from btr_tm.run.collector import InlineCollector
from btr_tm.run.remote.arrays import Field, Layout, Shared
from btr_tm.run.remote.chunk import ChunkFormat, checksum
from btr_tm.run.remote.guard import die_with_parent
from btr_tm.run.remote.weights import WeightsBoard, set_weights

POLL_S = 0.2  # how often a waiting worker shows that it lives
LONGEST_REASON = 4000  # characters: fits into the pipe whole, whatever happens meanwhile


class Driver(NamedTuple):
    """What a worker drives with; the clock is what its exploration schedules read."""

    env: Any
    policy: Any
    clock: Clock


Build = Callable[[int, int], Driver]  # (worker, life) -> driver; picklable


class Ready(NamedTuple):
    """A chunk lies complete in a slot."""

    slot: int
    number: int  # counts the chunks of this life from 0
    version: int  # of the weights that drove it
    checksum: int
    cpu_s: float  # spent since the chunk before


class Failed(NamedTuple):
    """The worker gives up."""

    reason: str


@dataclass(frozen=True)
class Assignment:
    """What a worker is told at its start."""

    worker: int
    life: int  # how many came before it in its place
    build: Build
    format: ChunkFormat
    board: str  # shared memory with weights
    weights: int  # numbers in it
    chunks: str  # shared memory with slots
    slots: int
    pulse: str  # shared memory with heartbeats
    workers: int


def pulse_layout(workers: int) -> Layout:
    """One counter per worker."""
    return Layout({"beats": Field((workers,), np.dtype(np.int64))})


def work(assignment: Assignment, line: connection.Connection) -> None:
    """Entry point of a collector process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the learner decides
    die_with_parent()  # an environment that hangs must not outlive the learner
    torch.set_num_threads(1)
    try:
        _Worker(assignment, line).run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the learner is gone
    except Exception:
        reason = traceback.format_exc(limit=-3)[-LONGEST_REASON:]
        line.send(Failed(reason))  # the learner must hear of it, whatever it was
        raise


class _Worker:
    def __init__(self, told: Assignment, line: connection.Connection) -> None:
        self.told, self.line = told, line
        self.board = WeightsBoard(told.weights, told.board)
        self.chunks = Shared(told.format.layout, told.slots, told.chunks)
        self.pulse = Shared(pulse_layout(told.workers), name=told.pulse)
        self.version, self._cpu_s = 0, 0.0
        self._beat()
        self.driver = told.build(told.worker, told.life)
        self.collector = InlineCollector(self.driver.env, told.format.decisions)

    def _beat(self) -> None:
        self.pulse.records[0]["beats"][self.told.worker] += 1

    def act(self, obs: Obs, explore: bool) -> Decision:
        """The policy's decision; each one is a heartbeat."""
        self._beat()
        return self.driver.policy.act(obs, explore)

    def run(self) -> None:
        number = 0
        while True:
            slot = self._next_slot()
            self._update()
            chunk = self.collector.collect(self)
            self.told.format.pack(chunk.transitions, chunk.races, self.chunks.records[slot])
            crc = checksum(self.chunks.bytes_of(slot))
            self.line.send(Ready(slot, number, self.version, crc, self._spent()))
            number += 1

    def _spent(self) -> float:
        before, self._cpu_s = self._cpu_s, time.process_time()
        return self._cpu_s - before

    def _next_slot(self) -> int:
        """Wait until the learner frees a slot: this is where a full queue holds the worker back."""
        while not self.line.poll(POLL_S):
            self._beat()
        return self.line.recv()

    def _update(self) -> None:
        if self.board.version != self.version:
            self.version, weights = self.board.read()
            set_weights(self.driver.policy.net, weights)
        self.driver.clock.frames = self.board.frames
