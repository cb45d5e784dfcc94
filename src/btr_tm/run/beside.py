"""Evaluations in a process beside training, with the weights of the moment in which each is due."""

from __future__ import annotations

import pickle
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.protocols import Policy
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.run.evaluation_races import InlineRaces, Result
from btr_tm.run.remote.child_process import die_with_parent, ignore_signals, shielded, spawn_context
from btr_tm.run.remote.processes import LEAVE_S
from btr_tm.run.remote.weights import set_weights, weights_of
from btr_tm.run.remote.worker import LONGEST_REASON, Failed

STARTS = 2  # of the process for one evaluation; what ends it twice would end it again


class EvaluationParts(NamedTuple):
    """What the process evaluates with."""

    races: InlineRaces
    policy: Policy


BuildEvaluation = Callable[[], EvaluationParts]  # picklable


class Task(NamedTuple):
    """One evaluation."""

    weights: Tensor  # (W,) float32
    frames: int  # training frames behind them


class Driven(NamedTuple):
    """What it gave."""

    result: Result
    cpu_s: float  # spent since the one before


class RacesBeside:
    """Drives the races of one evaluation at a time in a process of its own, with the same results.

    `build()` makes environment and policy there. A process that ends early is started once more for the same
    evaluation; a UserError in it is one here.
    """

    def __init__(self, build: BuildEvaluation) -> None:
        self.build = build
        self._process: SpawnProcess | None = None
        self._pipe: connection.Connection
        self._open: bytes | None = None  # the task of the evaluation that is open
        self._started_for_it = 0
        self._watch = Stopwatch()

    def charge_to(self, watch: Stopwatch) -> None:
        """Charge the CPU seconds of the process to `watch`."""
        self._watch = watch

    def begin(self, policy: Policy, frames: int, stop: Callable[[], bool]) -> bool:
        """Send the weights of `policy`; nothing ends it early. False if `stop()` already says so."""
        if stop():
            return False
        self._open = pickle.dumps(Task(weights_of(policy.net).cpu(), frames))
        self._started_for_it = 0
        self._send()
        return True

    def result(self, wait: bool) -> Result | None:
        """The races that were begun, once, when they are over; `wait` for that."""
        while self._open is not None:
            try:
                if not (wait or self._pipe.poll()):  # on Windows it raises once the other end is gone
                    return None
                answer = pickle.loads(self._pipe.recv_bytes())
            except (EOFError, OSError):
                self._send_again()
                continue
            self._open = None
            if isinstance(answer, Failed):
                raise UserError(answer.reason) if answer.final else RuntimeError(answer.reason)
            self._watch.charge(answer.cpu_s)
            return answer.result
        return None

    def _send(self) -> None:
        assert self._open is not None
        if self._process is None:
            self._start()
        with suppress(BrokenPipeError, ConnectionResetError):  # noticed where the answer is read
            self._pipe.send_bytes(self._open)

    def _send_again(self) -> None:
        """Start another process for the evaluation that is open, unless that has been done already."""
        assert self._process is not None
        self._process.join()
        code = self._process.exitcode
        self._end()
        if self._started_for_it >= STARTS:
            raise RuntimeError(f"the process that evaluates has ended twice, last with exit code {code}")
        self._send()

    def _start(self) -> None:
        context = spawn_context()
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=evaluate, args=(self.build, theirs), name="evaluation")
        with shielded():
            self._process.start()
        theirs.close()
        self._started_for_it += 1

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
            self._pipe.close()
            self._process = None

    def close(self) -> None:
        """End the process, which may let go of its game first, whatever it is doing."""
        if self._process is not None:
            self._pipe.close()
            self._process.join(LEAVE_S)
        self._end()


def evaluate(build: BuildEvaluation, pipe: connection.Connection) -> None:
    """Entry point of the process."""
    ignore_signals()
    die_with_parent()
    torch.set_num_threads(1)
    try:
        answer_tasks(build, pipe)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the run is gone
    except UserError as error:
        pipe.send_bytes(pickle.dumps(Failed(str(error), final=True)))
    except Exception:
        reason = traceback.format_exc(limit=-3)[-LONGEST_REASON:]
        with suppress(OSError):  # the run may be gone, which is then the reason
            pipe.send_bytes(pickle.dumps(Failed(reason)))
        raise SystemExit(1) from None  # without a traceback of its own


def answer_tasks(build: BuildEvaluation, pipe: connection.Connection) -> None:
    """Drive the races of one task after the other."""
    parts, spent_s = build(), 0.0
    try:
        while True:
            task: Task = pickle.loads(pipe.recv_bytes())
            set_weights(parts.policy.net, task.weights)
            if not parts.races.begin(parts.policy, task.frames, pipe.poll):  # all that can come is the end
                return
            result = parts.races.result(wait=True)
            assert result is not None
            before_s, spent_s = spent_s, time.process_time()
            pipe.send_bytes(pickle.dumps(Driven(result, spent_s - before_s)))
    finally:
        parts.races.close()
