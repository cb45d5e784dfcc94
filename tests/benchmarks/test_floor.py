"""The floor does the products of an update, all of them and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from btr_tm.benchmarks.arithmetic import Sizes, forward_flops, update_flops
from btr_tm.benchmarks.floor import forward_floor, rate_subjects, update_floor
from btr_tm.benchmarks.timing import interleave

CPU = torch.device("cpu")
SIZES = Sizes((2, 23, 20), 5, model_size=0.5, pool=2, hidden=16, taus=4, cosines=8, floats=3, float_hidden=8)


def test_its_operations_are_those_of_an_update() -> None:
    floor = update_floor(SIZES.layers, 3, CPU)
    with FlopCounterMode(display=False) as counter:
        floor()
    assert counter.get_total_flops() == floor.flops == 3 * update_flops(SIZES.layers)


def test_its_operations_are_those_of_a_look() -> None:
    floor = forward_floor(SIZES.acting_layers, 3, CPU)
    with FlopCounterMode(display=False) as counter:
        floor()
    assert counter.get_total_flops() == floor.flops == 3 * forward_flops(SIZES.acting_layers)


def test_rates_of_the_machine_are_positive() -> None:
    times = interleave(rate_subjects(CPU, size=64, megabytes=1), rounds=2)
    assert set(times) == {"matrix product, float32", "matrix product, bfloat16", "copy"}
    assert all(each.rate > 0 for each in times.values())
    assert times["copy"].work == 2 << 20 and times["matrix product, float32"].work == 2 * 64**3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda_the_floor_is_one_graph() -> None:
    device = torch.device("cuda")
    times = interleave([update_floor(SIZES.layers, 3, device).subject("floor", device)], rounds=3)
    assert times["floor"].rate > 0
