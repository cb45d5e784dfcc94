"""THE LOOP: drive, store, learn; from time to time evaluate, log and save."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Learner, ReplayBuffer
from btr_tm.core.types import Chunk
from btr_tm.metrics.meter import Meter
from btr_tm.metrics.races import race_metrics
from btr_tm.run.plan import Plan
from btr_tm.run.protocols import Checkpointing, Collector, Evaluation, TrainingRaces


def train(
    collector: Collector,
    replay: ReplayBuffer,
    learner: Learner,
    evaluator: Evaluation,
    meter: Meter,
    checkpoint: Checkpointing,
    clock: Clock,
    plan: Plan,
    stop: Callable[[], bool],
    races_kept: TrainingRaces,
) -> None:
    """Alternate driving and learning until `plan.total_frames` frames were driven or `stop()` says so."""
    watch = collector.watch
    while clock.frames < plan.total_frames and not stop():
        chunk = collector.collect(learner.policy)  # drives, and times itself
        with watch("replay"):
            store(replay, chunk)
        clock.frames += chunk.frames
        races_kept.add(chunk, clock.frames)
        meter.add("collector", chunk.metrics)
        for transition in chunk.transitions:
            meter.add("exploration", {"share": 1.0 - transition.greedy.float().mean()})
        for races in chunk.races:
            meter.add("race", race_metrics(races))
        for _ in range(plan.updates_due(clock.frames, learner.extra_uses)):
            with watch("replay"):
                batch = replay.sample(plan.batch_size)
            with watch("learning"):
                update = learner.update(batch)
            with watch("replay"):
                replay.update_priorities(batch.index, update.priority)
            meter.add("learner", update.metrics)  # stays on the device
            clock.updates += 1
            if plan.test(clock.updates):
                with watch("testing"):
                    meter.add("test", learner.evaluate(replay.sample_test(plan.batch_size)))
        if plan.eval(clock.frames):
            take_figures(evaluator, meter, wait=True)
            with watch("evaluation"):
                begun = evaluator.begin(learner.driver, stop)
            if begun:
                meter.expect("eval")
            else:
                plan.eval.again()  # interrupted: due again when the run continues
        take_figures(evaluator, meter, wait=False)
        if plan.log(clock.frames):
            meter.flush(clock)  # the one host sync of logging
        if plan.save(clock.frames):
            take_figures(evaluator, meter, wait=True)
            checkpoint.save()
    take_figures(evaluator, meter, wait=True)


def take_figures(evaluator: Evaluation, meter: Meter, wait: bool) -> None:
    """Log an evaluation that has ended; `wait` for one that was begun."""
    with meter.watch("evaluation") if wait else nullcontext():  # a look costs no time worth a share
        figures = evaluator.ended(wait)
    meter.add("eval", figures)


def store(replay: ReplayBuffer, chunk: Chunk) -> None:
    """Remove the open races of a failed collector, then add the new transitions."""
    for cars in chunk.lost:
        replay.forget_open(cars)
    for cars in chunk.cut:
        replay.cut(cars)
    for transition in chunk.transitions:
        replay.add(transition, chunk.cars)
