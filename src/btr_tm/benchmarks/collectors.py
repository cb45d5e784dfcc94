"""Collector processes beside the same processes without a learner, and how busy they keep a learner."""

from __future__ import annotations

import time
from collections.abc import Callable
from multiprocessing import connection, get_context
from multiprocessing.context import SpawnProcess

import torch

from btr_tm.benchmarks.loop import Loop, trained
from btr_tm.benchmarks.row import Row, Target
from btr_tm.core.protocols import Policy, ReplayBuffer
from btr_tm.run.collector import InlineCollector
from btr_tm.run.remote.processes import ProcessCollector
from btr_tm.run.remote.worker import BuildWorker
from btr_tm.run.train import store

IDLE_TARGET = 0.9  # of what the workers drive alone, while the learner only stores
BUSY_TARGET = Target(90)  # % of the time, while collectors are faster than the learner


class Alone:
    """Workers without a learner: told to drive for some seconds, they answer with frames per second."""

    def __init__(self, build: BuildWorker, workers: int) -> None:
        context = get_context("spawn")
        self.pipes: list[connection.Connection] = []
        self.processes: list[SpawnProcess] = []
        for worker in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_drive_alone, args=(build, worker, theirs), daemon=True)
            process.start()
            theirs.close()  # so that its end is an end of file here
            self.pipes.append(ours)
            self.processes.append(process)
        self.rate(0.5)  # builds the environments

    def rate(self, seconds: float) -> float:
        """Frames per second of all workers together."""
        for pipe in self.pipes:
            pipe.send(seconds)
        return sum(pipe.recv() for pipe in self.pipes)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


def _drive_alone(build: BuildWorker, worker: int, pipe: connection.Connection) -> None:
    torch.set_num_threads(1)
    parts = build(worker, 0)
    collector = InlineCollector(parts.env, 8)
    collector.collect(parts.policy)
    while True:
        seconds = pipe.recv()
        begin, frames = time.perf_counter(), 0
        while time.perf_counter() < begin + seconds:
            frames += collector.collect(parts.policy).frames
        pipe.send(frames / (time.perf_counter() - begin))


def idle_rows(
    workers: int,
    alone: Alone,
    collector: ProcessCollector,
    replay: ReplayBuffer,
    policy: Policy,
    seconds: float,
) -> list[Row]:
    """Frames/s into a replay whose learner is idle, in turns with the same workers alone."""
    ours, theirs = [], []
    drain(collector, replay, policy, 0.5)
    for _ in range(3):
        collector.wait_until_full()  # from here on those workers rest
        theirs.append(alone.rate(seconds))
        drain(collector, replay, policy, 0.5)  # what had been waiting is not counted
        ours.append(drain(collector, replay, policy, seconds))
    ours_rate, theirs_rate = sorted(ours)[1], sorted(theirs)[1]
    target = Target(IDLE_TARGET * theirs_rate)
    what = f"collector=processes, {counted(workers)}, idle learner"
    return [
        Row(what, "frames/s", ours_rate, "without a learner", theirs_rate, target),
        Row(f"{what}: moved per frame", "bytes", collector.format.layout.size / collector.format.frames),
        Row(f"{what}: weights published", "ms", collector.counts.publish_ms),
    ]


def drain(collector: ProcessCollector, replay: ReplayBuffer, policy: Policy, seconds: float) -> float:
    """Frames per second into `replay`, and nothing learnt."""
    begin, frames = time.perf_counter(), 0
    while frames == 0 or time.perf_counter() < begin + seconds:
        chunk = collector.collect(policy)
        store(replay, chunk)
        frames += chunk.frames
    return frames / (time.perf_counter() - begin)


def busy_rows(workers: int, loop: Loop, frames: int) -> list[Row]:
    """The learner's shares of `frames` frames of training with collectors faster than it."""
    trained(loop)  # the warm-up
    lap = trained(loop, frames)
    shares = lap.shares
    what = f"collector=processes, {counted(workers)}, busy learner"
    busy = 100 * (shares["learning"] + shares["replay"])
    rest = [Row(f"{what}: {part}", "%", 100 * shares[part]) for part in ("waiting", "other")]
    return [Row(f"{what}: learning and replay", "%", busy, target=BUSY_TARGET), *rest]


def collector_rows(
    counts: tuple[int, ...],
    seconds: float,
    frames: int,
    build: Callable[[int], BuildWorker],
    start: Callable[[int], tuple[ProcessCollector, ReplayBuffer, Policy]],
    loop: Callable[[int], Loop],
) -> list[Row]:
    """All rows for each number of workers; the factories take that number."""
    rows = []
    for workers in counts:
        alone, (collector, replay, policy) = Alone(build(workers), workers), start(workers)
        try:
            rows += idle_rows(workers, alone, collector, replay, policy, seconds)
        finally:
            alone.close()
            collector.close()
    busy = loop(counts[-1])
    try:
        rows += busy_rows(counts[-1], busy, frames)
    finally:
        busy.collector.close()
    return rows


def counted(workers: int) -> str:
    """As the table says it."""
    return f"{workers} worker" + "s" * (workers != 1)
