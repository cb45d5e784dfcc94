"""Where the wall time of training goes: the real loop, with nothing to save and nobody watching."""

from __future__ import annotations

from typing import Any, NamedTuple

from btr_tm.benchmarks.row import Row
from btr_tm.benchmarks.timing import Effort
from btr_tm.core.clock import Clock
from btr_tm.metrics.meter import Meter
from btr_tm.metrics.stopwatch import Lap
from btr_tm.run.plan import Plan
from btr_tm.run.train import train

SHARES = ("simulator", "acting", "replay", "learning", "other")


class Loop(NamedTuple):
    """The parts of a run; its plan neither evaluates nor saves, and ends with the warm-up."""

    collector: Any
    replay: Any
    learner: Any
    clock: Clock
    plan: Plan


def loop_rows(effort: Effort, name: str, loop: Loop) -> list[Row]:
    """Speed of `effort.loop_frames` frames after the warm-up, and each activity's share of their time."""
    trained(loop)
    begun, updates = loop.clock.frames, loop.clock.updates
    lap = trained(loop, effort.loop_frames)
    speeds = [
        Row(f"{name}, whole loop", "frames/s", (loop.clock.frames - begun) / lap.seconds),
        Row(f"{name}, whole loop", "updates/s", (loop.clock.updates - updates) / lap.seconds),
    ]
    return speeds + [Row(f"{name}, share of {part}", "%", 100 * lap.shares[part]) for part in SHARES]


def trained(loop: Loop, frames: int = 0) -> Lap:
    """Train for `frames` more, or to the end of the plan; evaluator and checkpoint are never asked for."""
    nobody: Any = None
    if frames:
        loop.plan.total_frames = loop.clock.frames + frames
    loop.collector.watch.lap()
    meter = Meter([], loop.collector.watch)
    train(loop.collector, loop.replay, loop.learner, nobody, meter, nobody, loop.clock, loop.plan)
    return loop.collector.watch.lap()
