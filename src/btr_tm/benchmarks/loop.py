"""Where the wall time of training goes: the real loop, without checkpoints and evaluations."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch

from btr_tm.benchmarks.rates import GIGA, product_subject
from btr_tm.benchmarks.row import NO_TARGET, Row, Target
from btr_tm.benchmarks.timing import CPU, Effort, interleave, waiting
from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Learner, Policy, ReplayBuffer
from btr_tm.metrics.meter import Meter
from btr_tm.metrics.stopwatch import Lap, Stopwatch
from btr_tm.run.evaluate import never
from btr_tm.run.plan import Plan
from btr_tm.run.protocols import Collector
from btr_tm.run.train import train
from btr_tm.run.training_races import NoTrainingRaces

SHARES = ("simulator", "acting", "replay", "learning", "other")


class Loop(NamedTuple):
    """The parts of a run; its plan neither evaluates nor saves, and ends with the warm-up."""

    collector: Collector
    replay: ReplayBuffer
    learner: Learner
    clock: Clock
    plan: Plan


class Work(NamedTuple):
    """FLOP of a decision and of an update, by formula."""

    frame: float
    update: float


class NoEvaluation:
    """Stands where the plan has no evaluations."""

    def begin(self, policy: Policy, stop: Callable[[], bool]) -> bool:
        return False

    def ended(self, wait: bool) -> dict[str, float]:
        return {}


class NoCheckpoints:
    """Stands where the plan saves nothing."""

    def save(self) -> bool:
        return True


class WaitingStopwatch(Stopwatch):
    """Counts for each activity what the device did for it; waiting for the device slows the whole down."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._wait = waiting(device)

    @contextmanager
    def __call__(self, activity: str) -> Iterator[None]:
        with super().__call__(activity):
            yield
            self._wait()


def loop_rows(
    effort: Effort, name: str, loop: Loop, work: Work, device: torch.device = CPU, target: Target = NO_TARGET
) -> list[Row]:
    """Speed and arithmetic of `effort.loop_frames` frames after the warm-up, and each activity's share.

    On CUDA the shares are those of further frames, a quarter as many, after each activity of which the
    device is waited for. The floor of the arithmetic is the best matrix product, measured before and after.
    """
    trained(loop)
    product = product_subject(effort, device, torch.bfloat16)
    times = [interleave([product], effort.rounds, device)[product.name]]
    frames, updates, lap = _lap(loop, effort.loop_frames, device)
    times.append(interleave([product], effort.rounds, device)[product.name])
    achieved = (frames * work.frame + updates * work.update) / lap.seconds / GIGA
    best = sum(each.rate for each in times) / len(times)
    rows = [
        Row(f"{name}, whole loop", "frames/s", frames / lap.seconds, target=target),
        Row(f"{name}, whole loop", "updates/s", updates / lap.seconds),
        Row(f"{name}, whole loop: arithmetic", "GFLOP/s", achieved, floor=best),
    ]
    if device.type == "cuda":
        loop.collector.watch = WaitingStopwatch(device)
        _, _, lap = _lap(loop, effort.loop_frames // 4, device)
    return rows + [Row(f"{name}, share of {part}", "%", 100 * lap.shares[part]) for part in SHARES]


def _lap(loop: Loop, frames: int, device: torch.device) -> tuple[int, int, Lap]:
    """Frames and updates made, and their time to the moment at which the device has done them."""
    begun, updates = loop.clock.frames, loop.clock.updates
    waiting(device)()
    begin = time.perf_counter()
    lap = trained(loop, frames)
    waiting(device)()
    lap = lap._replace(seconds=time.perf_counter() - begin)
    return loop.clock.frames - begun, loop.clock.updates - updates, lap


def trained(loop: Loop, frames: int = 0) -> Lap:
    """Train for `frames` more, or to the end of the plan."""
    if frames:
        loop.plan.total_frames = loop.clock.frames + frames
    loop.collector.watch.lap()
    meter = Meter([], loop.collector.watch)
    train(
        loop.collector, loop.replay, loop.learner, NoEvaluation(), meter, NoCheckpoints(), loop.clock,
        loop.plan, never, NoTrainingRaces(),
    )  # fmt: skip
    return loop.collector.watch.lap()
