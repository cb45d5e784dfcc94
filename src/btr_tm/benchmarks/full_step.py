"""The update of full-size BTR: ours beside the conventional one and the floor, in turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from btr_tm.benchmarks.arithmetic import Sizes, update_flops
from btr_tm.benchmarks.conventional import ConventionalLearner
from btr_tm.benchmarks.conventional_net import ConventionalNet
from btr_tm.benchmarks.floor import update_floor
from btr_tm.benchmarks.full_size import batch_of
from btr_tm.benchmarks.rates import GIGA, product_name, product_subject
from btr_tm.benchmarks.row import NO_TARGET, Beside, Row, Target, duration_row, rate_row
from btr_tm.benchmarks.timing import Effort, Subject, Times, interleave
from btr_tm.core.protocols import EnvironmentSpec
from btr_tm.core.types import Batch

CONVENTIONAL, FLOOR = "conventional fp32", "floor"
HALF = torch.bfloat16


class Updates(Protocol):
    """A learner, ours or the one it is compared with."""

    def update(self, batch: Batch) -> object: ...


@dataclass(frozen=True)
class Aims:
    """What one machine is to reach at one size of image."""

    conventional: Target = NO_TARGET  # samples/s, for a comparison that is fair
    faster: float = -math.inf  # times the conventional update
    update_ms: Target = NO_TARGET
    floor_percent: Target = NO_TARGET


class FullStep:
    """One size on one device: conventional learner, floor, best product and batch, made once."""

    def __init__(self, effort: Effort, size: EnvironmentSpec, device: torch.device, aims: Aims) -> None:
        channels, height, width = size.image_shape
        self.name = f"update of {effort.batch}, {height} x {width} x {channels}, BTR"
        self.effort, self.device, self.aims = effort, device, aims
        self.layers = Sizes(size.image_shape, size.actions).layers
        self.batch = batch_of(size, effort.batch, torch.Generator(device).manual_seed(0))
        net = ConventionalNet(size.image_shape, size.actions).to(device)
        net.reset_noise()
        conventional = ConventionalLearner(net)
        floor = update_floor(self.layers, effort.batch, device)
        self.beside = [
            self._subject(CONVENTIONAL, conventional),
            floor.subject(FLOOR, device, effort.batch),
            product_subject(effort, device, HALF),
        ]

    def _subject(self, name: str, learner: Updates) -> Subject:
        batch, updates = self.batch, self.effort.updates
        return Subject(name, updates * self.effort.batch, lambda: _learn(learner, batch, updates))

    def rows(self, stages: Sequence[Mapping[str, Callable[[], Updates]]]) -> Iterator[Row]:
        """Each stage names learners by what makes them; the last, which takes longest to compile, is last.

        All of a stage are measured in turns, with the conventional learner and the floor again; the fastest
        of a stage has its time, its share of the floor and its FLOP/s written too.
        """
        for stage, makers in enumerate(stages):
            ours = [self._subject(name, make()) for name, make in makers.items()]
            times = interleave([*self.beside, *ours], self.effort.rounds, self.device)
            if stage == 0:
                yield from self._reference_rows(times)
            yield from (self._speed_row(each.name, times) for each in ours)
            yield from self._best_rows(max((each.name for each in ours), key=lambda n: times[n].rate), times)

    def _reference_rows(self, times: dict[str, Times]) -> Iterator[Row]:
        what = f"{self.name}, {CONVENTIONAL}"
        floor = times[FLOOR].rate
        yield rate_row(what, "samples/s", times[CONVENTIONAL], target=self.aims.conventional, floor=floor)
        yield rate_row(f"{self.name}, {FLOOR}", "samples/s", times[FLOOR])

    def _speed_row(self, name: str, times: dict[str, Times]) -> Row:
        theirs = times[CONVENTIONAL].rate
        target, floor = Target(self.aims.faster * theirs), times[FLOOR].rate
        beside = Beside(CONVENTIONAL, theirs)
        return rate_row(f"{self.name}, {name}", "samples/s", times[name], beside, target, floor)

    def _best_rows(self, name: str, times: dict[str, Times]) -> Iterator[Row]:
        """Of the fastest learner: milliseconds, share of the floor, arithmetic."""
        what, batch = f"{self.name}, {name}", self.effort.batch
        ours, floor = times[name], times[FLOOR]
        per_update = Times(ours.work / batch, ours.seconds)
        yield duration_row(what, per_update, target=self.aims.update_ms, floor=1000 * batch / floor.rate)
        share = 100 * ours.rate / floor.rate
        yield Row(f"{what}: of the floor", "%", share, target=self.aims.floor_percent)
        best = times[product_name(HALF)].rate
        achieved = ours.rate * update_flops(self.layers) / GIGA
        yield Row(f"{what}: arithmetic", "GFLOP/s", achieved, floor=best)


def _learn(learner: Updates, batch: Batch, updates: int) -> None:
    for _ in range(updates):
        learner.update(batch)
