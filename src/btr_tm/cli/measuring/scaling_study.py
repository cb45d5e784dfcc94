"""`python -m btr_tm.cli.measuring.scaling_study`: speed over cars, batch, image size and processes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

from btr_tm.cli.commands import common as commands  # noqa: E402
from btr_tm.core.files import write_atomic
from btr_tm.core.interrupts import INTERRUPTS

if TYPE_CHECKING:
    from btr_tm.benchmarks.scaling_study import ImageSize, Point
    from btr_tm.cli.assembly.parts import Parts
    from btr_tm.core.protocols import DrivingEnv, Policy, ReplayBuffer
    from btr_tm.core.types import Batch
    from btr_tm.run.remote.processes import ProcessCollector

BTR = "+experiment=quickstart"  # its network at every size


class Sizes(NamedTuple):
    """What is measured, and how often."""

    cars: tuple[int, ...]
    images: tuple[int, ...]
    batches: tuple[int, ...]
    collectors: tuple[int, ...]
    rounds: int
    decisions: int  # of every car, per repetition
    seconds: float  # for which collector processes drive, three times


FULL = Sizes((16, 32, 64, 128, 256, 512), (40, 64, 84), (32, 64, 128, 256, 512), (1, 2, 3, 4), 5, 4, 2.0)
QUICK = Sizes((2, 4), (40,), (4, 8), (1,), 1, 1, 0.2)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.cli.measuring.scaling_study",
        description="Measure how speed and memory scale, in minutes.",
    )
    parser.add_argument("--folder", type=Path, help="write scaling.json and scaling.png there")
    parser.add_argument("--quick", action="store_true", help="a little of everything")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure; errors that a user can fix are one line on stderr."""
    commands.run(study, parser(), argv)


def study(arguments: argparse.Namespace) -> None:
    """Measure everything, print it, write JSON and pictures."""
    from btr_tm.benchmarks.machine import machine
    from btr_tm.benchmarks.row import number
    from btr_tm.benchmarks.scaling_plots import plot, title_of

    if arguments.folder:
        commands.refuse_unwritable_folder(arguments.folder)
    here, points = machine(), measure(QUICK if arguments.quick else FULL)
    for point in points:
        print(f"{point.study:<11}{point.series:<24}{point.x:>6g}  {number(point.value):>8} {point.unit}")
    if arguments.folder:
        content = {"machine": here, "points": [point._asdict() for point in points]}
        plot(points, arguments.folder / "scaling.png", title_of(here))
        text = json.dumps(content, indent=1, default=float)
        write_atomic(arguments.folder / "scaling.json", f"{text}\n".encode())


def measure(sizes: Sizes) -> list[Point]:
    """All studies, each announced on stderr."""
    points = []
    for each in (_cars, _batches, _collectors, _learners, _memory):
        print(f"measuring: {each.__name__.strip('_')}", file=sys.stderr, flush=True)
        points += each(sizes)
    return points


def _parts(*words: str) -> Parts:
    import torch

    from btr_tm.cli.assembly.parts import Parts, checked
    from btr_tm.cli.configuration.composition import compose_job

    words = (BTR, "logger=none", "profile.start_pool=8", *words)
    return Parts(checked(compose_job(list(words)).values), torch.device("cpu"))


def _cars(sizes: Sizes) -> list[Point]:
    from btr_tm.benchmarks.scaling_study import car_points
    from btr_tm.run.collector import InlineCollector

    driving = {}
    for series, encoder in (("camera 40 x 40", "impala_sn_pool"), ("no camera", "none")):
        for cars in sizes.cars:
            parts = _parts(f"encoder={encoder}")
            env = parts.env(cars)
            driving[series, cars] = (InlineCollector(env, sizes.decisions), parts.policy(env))
    return car_points(driving, sizes.rounds)


@cache
def _without_images() -> DrivingEnv:
    return _parts("encoder=none").env(1, start_pool=1)


def _spec(image: int, stack: int = 1) -> ImageSize:
    """What networks and replays have to know of an environment with pictures of `image` x `image`."""
    from btr_tm.benchmarks.scaling_study import ImageSize

    return ImageSize((stack, image, image), _without_images())


def _learner(batch: int, image: int, *words: str) -> tuple[Parts, ImageSize, Batch]:
    """Parts, what the network sees, and a random batch of one size."""
    from btr_tm.benchmarks.scaling_study import random_batch
    from btr_tm.core.seeding import generator

    parts = _parts(f"profile.batch_size={batch}", f"profile.micro_batch={batch}", *words)
    spec = _spec(image)
    return parts, spec, random_batch(spec, batch, generator(0, "batch"))


def _batches(sizes: Sizes) -> list[Point]:
    from btr_tm.benchmarks.scaling_study import batch_points

    learners = {}
    for image in sizes.images:
        for size in sizes.batches:
            parts, spec, batch = _learner(size, image)
            learners[f"{image} x {image}", size] = (parts.learner(parts.policy(spec)), batch)
    return batch_points(learners, sizes.rounds)


def _collectors(sizes: Sizes) -> list[Point]:
    from btr_tm.benchmarks.scaling_study import collector_points
    from btr_tm.cli.assembly.assemble import collector_of
    from btr_tm.run.remote.processes import ProcessCollector

    def start(count: int) -> tuple[ProcessCollector, ReplayBuffer, Policy]:
        cars = 48 * count  # the share of each stays the same
        parts = _parts("collector=processes", f"collector.workers={count}", f"profile.cars={cars}")
        env = parts.env(cars)
        policy = parts.policy(env)
        collector = collector_of(parts, env, policy.net)
        assert isinstance(collector, ProcessCollector)
        return collector, parts.replay(env), policy

    return collector_points(sizes.collectors, start, sizes.seconds)


def _learners(sizes: Sizes) -> list[Point]:
    """The same update by one process with one thread, with two threads, and by two processes."""
    from btr_tm.benchmarks.scaling_study import learner_points
    from btr_tm.cli.assembly.assemble import processes_of

    words = ("parallel=ddp", "parallel.processes=2")
    parts, spec, batch = _learner(sizes.batches[-2], sizes.images[-1], *words)
    helpers = processes_of(parts, spec)
    try:
        together = helpers.lead(parts.learner(parts.policy(spec), helpers.group))
        alone = parts.learner(parts.policy(spec))
        variants = [
            ("one thread each", 1, 1, alone, batch),
            ("two threads", 1, 2, alone, batch),
            ("one thread each", 2, 1, together, batch),
        ]
        return learner_points(variants, sizes.rounds)
    finally:
        helpers.close()


def _memory(sizes: Sizes) -> list[Point]:
    """One picture per transition, and stacks of four of which only the newest is kept, both with floats."""
    from btr_tm.benchmarks.scaling_study import memory_points
    from btr_tm.replay.buffer import Replay

    parts = _parts("profile.replay_capacity=8192", "profile.warmup_frames=0")
    replays = {}
    for series, stack in (("single pictures", 1), ("stacks of 4, as newest", 4)):
        for size in sizes.images:
            replays[series, size] = cast(Replay, parts.replay(_spec(size, stack)))
    return memory_points(replays)


if __name__ == "__main__":
    with INTERRUPTS.program():
        main()
