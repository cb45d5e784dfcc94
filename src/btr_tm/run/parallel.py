"""Learning with several processes of one machine; the head alone drives, stores, evaluates and saves."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from typing import NamedTuple

import psutil
import torch
import torch.distributed as dist
from torch import Tensor

from btr_tm.agent.learner import IqnLearner
from btr_tm.agent.parallel import DistributedGroup, SingleProcess
from btr_tm.agent.policy import IqnPolicy
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import Learner, Update
from btr_tm.core.tree import tree_map
from btr_tm.core.types import Batch, StateDict
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.nets.iqn import IQN
from btr_tm.run.helper import (
    BuildLearner,
    HelperSetup,
    State,
    Task,
    hand_out,
    help_learning,
    meet,
    receive,
    send,
    store_at,
)
from btr_tm.run.remote.child_process import shielded, spawn_context
from btr_tm.run.remote.worker import Failed

HELPER_BYTES = 600 * 2**20  # of a process with torch, two networks and the moments of an optimizer
REASON_S = 2.0  # in which a helper that fails says why


class OneProcess:
    """The head learns alone."""

    group = SingleProcess
    alone = True

    def lead(self, learner: Learner) -> Learner:
        return learner

    def charge_to(self, watch: Stopwatch) -> None:
        """There are no other processes."""

    def close(self) -> None:
        """Nothing to end."""


class Helper(NamedTuple):
    """A process of rank 1 or higher, as the head sees it."""

    process: SpawnProcess
    pipe: connection.Connection


class Helpers:
    """`processes` - 1 processes beside the head, each with a whole learner, one per GPU on CUDA.

    `build(device, group)` makes that learner inside a helper; it must be picklable. A helper must be ready
    within `start_s` and never silent for `stall_s` within an update. Raises UserError for numbers that the
    machine or the batch cannot serve.
    """

    def __init__(
        self,
        build: BuildLearner,
        device: torch.device,
        batch_size: int,
        processes: int,
        start_s: float,
        stall_s: float,
    ) -> None:
        refuse_impossible(processes, device, batch_size)
        self.build, self.device, self.processes = build, device, processes
        self.start_s, self.stall_s = start_s, stall_s
        self._helpers: list[Helper] = []  # of ranks 1, 2, ...
        self._watch, self._charged = Stopwatch(), 0.0  # CPU seconds of helpers, charged so far

    def group(self, online: IQN) -> DistributedGroup:
        """Start the helpers; once they are ready, all form the default group of torch."""
        store = store_at(0, self.processes, head=True)
        threads = max(1, torch.get_num_threads() // self.processes)
        if self.device.type == "cpu":
            torch.set_num_threads(threads)  # the cores are shared
        try:
            for rank in range(1, self.processes):
                self._helpers.append(self._start(rank, threads, store.port))
            for rank, (_, pipe) in enumerate(self._helpers, start=1):
                self._await_ready(rank, pipe)
            with self.watched():
                meet(store, 0, self.processes, self._place(0), self.stall_s)
                return DistributedGroup(online)
        except BaseException:
            self.close()
            raise

    def lead(self, learner: Learner) -> Learner:
        assert isinstance(learner, IqnLearner), type(learner)
        return ParallelLearner(learner, self)

    def charge_to(self, watch: Stopwatch) -> None:
        """Charge the CPU seconds of the helpers to the watch of the run."""
        self._watch = watch

    def _place(self, rank: int) -> str:
        return f"cuda:{rank}" if self.device.type == "cuda" else self.device.type

    def _start(self, rank: int, threads: int, port: int) -> Helper:
        setup = HelperSetup(rank, self.processes, self.build, self._place(rank), threads, port, self.stall_s)
        context = spawn_context()
        pipe, theirs = context.Pipe()
        name = f"btr_tm learner {rank}"
        process = context.Process(target=help_learning, args=(setup, theirs), name=name, daemon=True)
        with shielded():
            process.start()
        theirs.close()
        return Helper(process, pipe)

    def _await_ready(self, rank: int, pipe: connection.Connection) -> None:
        try:
            if not pipe.poll(self.start_s):
                raise self._missing(rank, f"not ready within {self.start_s:.0f} s")
            answer = receive(pipe)
        except (EOFError, ConnectionResetError) as error:
            raise self._missing(rank, "died") from error
        if isinstance(answer, Failed):
            raise self._missing(rank, answer.reason)

    def update(self, learner: IqnLearner, batch: Batch, state: bytes) -> Update:
        """One update of all processes, after the helpers have loaded `state`, unless that is empty."""
        task = Task(learner.clock.frames, len(batch.weight), tree_map(_without_rows, batch))
        with self.watched():
            for rank, (_, pipe) in enumerate(self._helpers, start=1):
                if state:
                    send(pipe, State(state))
                send(pipe, task)
                hand_out(batch, learner.online, rank, self.processes)
            done = learner.update(batch)
            spent = sum(_cpu_s(process) for process, _ in self._helpers)
        self._watch.charge(spent - self._charged)
        self._charged = spent
        return done

    @contextmanager
    def watched(self) -> Iterator[None]:
        """If something fails because a helper did, raise a UserError that says so."""
        try:
            yield
        except (RuntimeError, OSError) as error:
            for rank, (process, pipe) in enumerate(self._helpers, start=1):
                reason = _failure(process, pipe)
                if reason:
                    raise self._missing(rank, reason) from error
            if "timed out" in str(error).lower():
                raise self._missing(0, f"an update that took more than {self.stall_s} s") from error
            raise

    def _missing(self, rank: int, reason: str) -> UserError:
        who = f"process {rank} is missing" if rank else "one does not answer"
        return UserError(
            f"of the {self.processes} processes that learn together {who} "
            f"({' '.join(reason.split())[-300:]}); the same command continues from the last checkpoint, and "
            "parallel=none learns in one process"
        )

    def close(self) -> None:
        """End every helper and leave the group; safe to call twice."""
        for process, pipe in self._helpers:
            process.kill()
            process.join()
            process.close()
            pipe.close()
        self._helpers = []
        if dist.is_initialized():
            dist.destroy_process_group()


class ParallelLearner:
    """A Learner whose updates are those of `learner` and of its helpers; the rest `learner` does alone."""

    def __init__(self, learner: IqnLearner, helpers: Helpers) -> None:
        self.learner, self.helpers = learner, helpers
        self._equal = False  # whether the helpers have the state of `learner`

    @property
    def policy(self) -> IqnPolicy:
        return self.learner.policy

    @property
    def driver(self) -> IqnPolicy:
        return self.learner.driver

    @property
    def extra_uses(self) -> int:
        return self.learner.extra_uses

    def update(self, batch: Batch) -> Update:
        """One update; raises UserError if a helper is missing."""
        state = b"" if self._equal else _saved(self.learner)
        self._equal = True
        return self.helpers.update(self.learner, batch, state)

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        return self.learner.evaluate(batch)

    def take(self) -> dict[str, Tensor | float]:
        return self.learner.take()

    def state_dict(self) -> StateDict:
        return self.learner.state_dict()

    def load_state_dict(self, state: StateDict) -> None:
        self.learner.load_state_dict(state)
        self._equal = False

    def close(self) -> None:
        self.helpers.close()
        self.learner.close()


def _cpu_s(process: SpawnProcess) -> float:
    try:
        times = psutil.Process(process.pid).cpu_times()
    except psutil.Error as error:
        raise OSError(f"process {process.pid} is gone") from error
    return float(times.user + times.system)


def _saved(learner: IqnLearner) -> bytes:
    buffer = io.BytesIO()
    torch.save(learner.state_dict(), buffer)
    return buffer.getvalue()


def _without_rows(leaf: torch.Tensor) -> torch.Tensor:
    return torch.empty(0, *leaf.shape[1:], dtype=leaf.dtype)


def _failure(process: SpawnProcess, pipe: connection.Connection) -> str:
    """Why a helper has ended; nothing if it runs."""
    try:
        if pipe.poll(0 if process.is_alive() else REASON_S):
            message = receive(pipe)
            if isinstance(message, Failed):
                return message.reason
    except (EOFError, OSError):
        return "died"
    process.join(REASON_S)
    return "" if process.is_alive() else "died"


def refuse_impossible(processes: int, device: torch.device, batch_size: int) -> None:
    """Raise UserError for a number of processes that makes no sense here."""
    if not 1 <= processes <= batch_size:
        raise UserError(
            f"parallel.processes must be from 1 to the batch size of {batch_size}, got {processes}"
        )
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"parallel=ddp needs device=cpu or cuda, got {device}; use parallel=none")
    if device.type == "cuda" and processes > torch.cuda.device_count():
        raise UserError(
            f"each process that learns needs a GPU, got {processes} processes and "
            f"{torch.cuda.device_count()} GPUs; set parallel.processes={torch.cuda.device_count()}"
        )
    needed, free = (processes - 1) * HELPER_BYTES, psutil.virtual_memory().available
    if needed > free:
        raise UserError(
            f"{processes} processes need about {needed / 2**30:.1f} GiB of the {free / 2**30:.1f} GiB free; "
            f"set parallel.processes={1 + free // HELPER_BYTES}"
        )
