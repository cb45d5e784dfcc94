"""The rows of the full-size update, at the smallest size; nobody looks at the speeds."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from btr_tm.benchmarks.arithmetic import Sizes, update_flops
from btr_tm.benchmarks.conventional import ConventionalLearner
from btr_tm.benchmarks.conventional_net import ConventionalNet
from btr_tm.benchmarks.full_size import images_only
from btr_tm.benchmarks.full_step import Aims, FullStep
from btr_tm.benchmarks.row import Target
from btr_tm.benchmarks.timing import CPU, QUICK

EFFORT = dataclasses.replace(QUICK, rounds=1, batch=2, updates=2, matrix=32)
SIZE = images_only((1, 12, 12), 3)


def learner() -> ConventionalLearner:
    return ConventionalLearner(ConventionalNet(SIZE.image_shape, SIZE.actions))


def measured(device: torch.device) -> None:
    aims = Aims(Target(1), 2.5, Target(4, at_least=False), Target(80))
    step = FullStep(EFFORT, SIZE, device, aims)
    rows = list(step.rows([{"a": learner, "b": learner}, {"compiled": learner}]))
    speed = {row.what: row for row in rows if row.unit == "samples/s"}
    names = [what.rpartition(", ")[2] for what in speed]
    assert names == ["conventional fp32", "floor", "a", "b", "compiled"]
    ours = speed["update of 2, 12 x 12 x 1, BTR, compiled"]
    assert ours.target.bound == pytest.approx(2.5 * ours.theirs)
    ms, percent, arithmetic = rows[-3:]
    assert ms.unit == "ms" and ms.ours == pytest.approx(1000 * 2 / ours.ours)
    assert percent.ours == pytest.approx(100 * ours.of_floor) == pytest.approx(100 * ms.of_floor)
    assert arithmetic.ours == pytest.approx(ours.ours * update_flops(Sizes((1, 12, 12), 3).layers) / 1e9)
    assert percent.target.bound == 80 and ms.target.bound == 4


def test_every_stage_is_measured_beside_the_conventional_update_and_the_floor() -> None:
    measured(CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_same_on_cuda() -> None:
    with torch.device("cuda"):
        measured(torch.device("cuda"))
