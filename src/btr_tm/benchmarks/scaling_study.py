"""The scaling study: how speed and memory change with cars, batch, image size and number of processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from btr_tm.benchmarks.collectors import drain
from btr_tm.benchmarks.timing import RECORDED, Subject, Times, interleave
from btr_tm.core.block import Block
from btr_tm.core.floats import FloatLayout
from btr_tm.core.protocols import Actor, DrivingEnv, EnvironmentSpec, Learner, Policy, ReplayBuffer
from btr_tm.core.types import Batch, Obs
from btr_tm.replay.buffer import Replay
from btr_tm.run.collector import InlineCollector
from btr_tm.run.remote.processes import ProcessCollector

A_MILLION = 1e6 / 2**30  # of bytes, in GiB


class Point(NamedTuple):
    """One figure of a study."""

    study: str
    series: str
    x: float
    value: float
    unit: str
    seconds: tuple[float, ...] = ()  # of each repetition


@dataclass(frozen=True)
class ImageSize:
    """What networks and replays have to know of `env` if its images were (C, H, W), C of them stacked."""

    image_shape: tuple[int, int, int]
    env: DrivingEnv
    num_envs: int = 64

    @property
    def stacked_frames(self) -> int:
        return self.image_shape[0]

    @property
    def layout(self) -> FloatLayout:
        return self.env.layout

    @property
    def actions(self) -> int:
        return self.env.actions

    @property
    def block(self) -> Block:
        return self.env.block

    @property
    def decision_ms(self) -> int:
        return self.env.decision_ms


def car_points(driving: Mapping[tuple[str, int], tuple[InlineCollector, Actor]], rounds: int) -> list[Point]:
    """Frames/s of each (series, cars): simulator, camera and policy in one process."""

    def subject(key: tuple[str, int]) -> Subject:
        collector, policy = driving[key]
        frames = collector.decisions * collector.env.num_envs
        return Subject(f"{key}", frames, lambda: collector.collect(policy))

    times = interleave([subject(key) for key in driving], rounds)
    return [_rate("cars", *key, times[f"{key}"], "frames/s") for key in driving]


def batch_points(learners: Mapping[tuple[str, int], tuple[Learner, Batch]], rounds: int) -> list[Point]:
    """Milliseconds per update of each (series, batch size)."""

    def subject(key: tuple[str, int]) -> Subject:
        learner, batch = learners[key]
        return Subject(f"{key}", 1, lambda: learner.update(batch), warm_up=RECORDED)

    times = interleave([subject(key) for key in learners], rounds)
    return [_duration("batch", *key, times[f"{key}"]) for key in learners]


def learner_points(variants: Sequence[tuple[str, int, int, Learner, Batch]], rounds: int) -> list[Point]:
    """Milliseconds per update of (series, processes, threads of the head, learner, batch), in turns."""

    def subject(series: str, processes: int, threads: int, learner: Learner, batch: Batch) -> Subject:
        def run() -> None:
            torch.set_num_threads(threads)
            learner.update(batch)

        return Subject(f"{series} {processes}", 1, run, warm_up=RECORDED)

    before = torch.get_num_threads()
    times = interleave([subject(*each) for each in variants], rounds)
    torch.set_num_threads(before)
    return [_duration("learners", s, n, times[f"{s} {n}"]) for s, n, *_ in variants]


def collector_points(
    counts: Sequence[int],
    start: Callable[[int], tuple[ProcessCollector, ReplayBuffer, Policy]],
    seconds: float,
) -> list[Point]:
    """Frames/s that each number of processes brings into a replay without a learner."""
    points = []
    for count in counts:
        collector, replay, policy = start(count)
        try:
            collector.wait_until_full()  # all have started
            drain(collector, replay, policy, 0.5)
            rates = sorted(drain(collector, replay, policy, seconds) for _ in range(3))
        finally:
            collector.close()
        points.append(Point("collectors", "idle learner", count, rates[1], "frames/s"))
    return points


def memory_points(replays: Mapping[tuple[str, int], Replay]) -> list[Point]:
    """GiB per million slots of each (series, image size): of a ring so long, the few more do not count."""
    return [
        Point(
            "memory",
            *key,
            replay.bytes_per_transition * replay.capacity / replay.ring.slots * A_MILLION,
            "GiB",
        )
        for key, replay in replays.items()
    ]


def random_batch(spec: EnvironmentSpec, size: int, generator: torch.Generator) -> Batch:
    """A batch of observations as `spec` says, drawn at random: what is in it costs no time."""

    def obs() -> Obs:
        image = torch.randint(0, 256, (size, *spec.image_shape), dtype=torch.uint8, generator=generator)
        return Obs(image, torch.randn(size, spec.layout.size, generator=generator))

    action = torch.randint(0, spec.actions, (size,), generator=generator)
    ones = torch.ones(size)
    return Batch(obs(), action, torch.rand(size, generator=generator), ones, obs(), ones, action)


def _rate(study: str, series: str, x: int, times: Times, unit: str) -> Point:
    return Point(study, series, x, times.rate, unit, times.seconds)


def _duration(study: str, series: str, x: int, times: Times) -> Point:
    return Point(study, series, x, times.unit_ms, "ms", times.seconds)
