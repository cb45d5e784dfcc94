"""The floor does the products of an update, all of them and nothing else."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from btr_tm.benchmarks.arithmetic import Sizes, forward_flops, update_flops
from btr_tm.benchmarks.floor import forward_floor, update_floor
from btr_tm.benchmarks.rates import copy_subject, product_subject, rate_rows
from btr_tm.benchmarks.timing import CPU, QUICK, interleave

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


def test_rates_of_the_machine_are_positive_and_in_giga() -> None:
    effort = dataclasses.replace(QUICK, matrix=64, copied_mib=1)
    rows = rate_rows(effort, CPU)
    assert [row.unit for row in rows] == ["GFLOP/s", "GFLOP/s", "GB/s"]
    assert all(0 < row.ours < 1e6 for row in rows)
    assert copy_subject(effort, CPU).work == pytest.approx(0.002097152)
    assert product_subject(effort, CPU, torch.float32).work == pytest.approx(0.000524288)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda_the_floor_is_one_graph() -> None:
    device = torch.device("cuda")
    subject = update_floor(SIZES.layers, 3, device).subject("floor", device)
    times = interleave([subject], rounds=3, device=device)
    assert times["floor"].rate > 0
