"""Measures subjects in turns, so that a busy moment of the machine slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Effort:
    """How much to measure."""

    rounds: int  # repetitions of every subject, in turns
    decisions: int  # of all cars, per repetition of a simulator
    compile: bool
    replay_rows: int  # transitions in the replay that is timed
    loop_frames: int  # whose shares of time are taken, after the warm-up
    workers: tuple[int, ...]  # numbers of collector processes
    collector_s: float  # for which they drive, three times each
    batch: int = 64  # of an update at full size
    updates: int = 1  # of that size, per repetition
    cars: int = 256  # of a simulator
    matrix: int = 2048  # rows and columns
    copied_mib: int = 128


FULL = Effort(
    rounds=9,
    decisions=12,
    compile=True,
    replay_rows=65_536,
    loop_frames=16_384,
    workers=(1, 2, 4),
    collector_s=4.0,
)
QUICK = Effort(
    rounds=2, decisions=2, compile=False, replay_rows=2_048, loop_frames=1_024, workers=(1,), collector_s=1.0,
    batch=4, matrix=512, copied_mib=16,
)  # fmt: skip
CUDA = Effort(
    rounds=5, decisions=50, compile=True, replay_rows=65_536, loop_frames=65_536, workers=(),
    collector_s=0.0, batch=256, updates=20, cars=8_192, matrix=8_192, copied_mib=2_048,
)  # fmt: skip


RECORDED = 4  # calls after which an update or a decision is replayed: two as they are, two written down


@dataclass(frozen=True)
class Subject:
    """Something to be timed: each call of `run` does `work` units; `warm_up` calls do not count."""

    name: str
    work: float
    run: Callable[[], object]
    warm_up: int = 1


@dataclass(frozen=True)
class Times:
    """Seconds of each repetition, each worth `work` units; of the wall clock unless another was asked."""

    work: float
    seconds: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Units per second, median."""
        return self.work / statistics.median(self.seconds)

    @property
    def unit_ms(self) -> float:
        """Milliseconds per unit, median."""
        return 1000 / self.rate


def waiting(device: torch.device) -> Callable[[], None]:
    """Waits until the device has done all it was asked to; a CPU always has."""
    return torch.cuda.synchronize if device.type == "cuda" else lambda: None


def seconds_of(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    begin = clock()
    run()
    return clock() - begin


def interleave(
    subjects: Sequence[Subject],
    rounds: int,
    device: torch.device = CPU,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Times]:
    """A B C A B C ...: `rounds` repetitions of each, after those that do not count, on `device`."""
    wait = waiting(device)

    def seconds(subject: Subject) -> float:
        return seconds_of(lambda: (subject.run(), wait()), clock)

    for subject in subjects:
        for _ in range(subject.warm_up):
            seconds(subject)
    taken = [[seconds(subject) for subject in subjects] for _ in range(rounds)]
    columns = zip(*taken, strict=True)
    return {s.name: Times(s.work, column) for s, column in zip(subjects, columns, strict=True)}
