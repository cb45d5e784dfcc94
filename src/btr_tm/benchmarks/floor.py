"""Lower bounds of this machine: its measured best rates, and the measured times of a step's products.

The floor of an update is the time of its convolutions and matrix products alone, each in the fastest of the
formats tried, one after the other: no activation, norm, pool, loss, optimizer, copy or pause between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from btr_tm.benchmarks.arithmetic import Conv, Layer, Product, forward_flops, update_flops
from btr_tm.benchmarks.timing import Subject, seconds_of, waiting
from btr_tm.core.gpu_kernels import choose_kernels

DTYPES = (torch.float32, torch.bfloat16)
LAYOUTS = (torch.contiguous_format, torch.channels_last)
TRIALS = 4  # of every format, in turns; the best counts

Run = Callable[[], object]


class Job(NamedTuple):
    """Work to be done `times` times in a step, in any one of several formats."""

    times: int
    ways: list[Run]


@dataclass(frozen=True)
class Floor:
    """The jobs of a step, each in its fastest way, and what they do."""

    runs: list[tuple[int, Run]]
    flops: int

    def __call__(self) -> None:
        for times, run in self.runs:
            for _ in range(times):
                run()

    def subject(self, name: str, device: torch.device, work: float = 1.0) -> Subject:
        """All of them, to be timed in turns with what stands beside them."""
        return Subject(name, work, _replayed(self, device))


def update_floor(layers: list[Layer], batch: int, device: torch.device) -> Floor:
    """Prediction forward and backward, target forward (log pi comes from the prediction)."""
    jobs = (job for layer in layers for job in _jobs(layer, batch, device, backward=True))
    return Floor(_fastest(jobs, device), batch * update_flops(layers))


def forward_floor(layers: list[Layer], batch: int, device: torch.device) -> Floor:
    """One forward pass."""
    jobs = (job for layer in layers for job in _jobs(layer, batch, device, backward=False))
    return Floor(_fastest(jobs, device), batch * forward_flops(layers))


def _jobs(layer: Layer, batch: int, device: torch.device, backward: bool) -> Iterator[Job]:
    """Forward, gradient of the weight, gradient of the input."""
    formats = list(_formats(layer, batch, device))
    count = layer.repeats if isinstance(layer, Conv) else 1
    yield Job(count * (2 if backward else 1), [each[0] for each in formats])
    if backward:
        yield Job(count, [each[1] for each in formats])
    if backward and layer.input_gradient:
        yield Job(count, [each[2] for each in formats])


def _formats(layer: Layer, batch: int, device: torch.device) -> Iterator[tuple[Run, Run, Run]]:
    for dtype in DTYPES:
        if isinstance(layer, Product):
            yield _product(layer, batch, device, dtype)
            continue
        for layout in LAYOUTS:
            yield _convolution(layer, batch, device, dtype, layout)


def _convolution(
    conv: Conv, batch: int, device: torch.device, dtype: torch.dtype, layout: torch.memory_format
) -> tuple[Run, Run, Run]:
    def tensor(*shape: int) -> Tensor:
        return torch.randn(shape, device=device, dtype=dtype).to(memory_format=layout)

    x = tensor(batch, conv.inputs, conv.height, conv.width)
    weight = tensor(conv.outputs, conv.inputs, 3, 3)
    gradient = tensor(batch, conv.outputs, conv.height, conv.width)

    def backward(of_input: bool) -> Run:
        mask = [of_input, not of_input, False]
        return lambda: torch.ops.aten.convolution_backward(
            gradient, x, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, mask
        )

    return lambda: F.conv2d(x, weight, padding=1), backward(of_input=False), backward(of_input=True)


def _product(product: Product, batch: int, device: torch.device, dtype: torch.dtype) -> tuple[Run, Run, Run]:
    def tensor(*shape: int) -> Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    rows = batch * product.rows
    x, weight = tensor(rows, product.inputs), tensor(product.outputs, product.inputs)
    gradient = tensor(rows, product.outputs)
    return lambda: x @ weight.T, lambda: gradient.T @ x, lambda: gradient @ weight


@torch.no_grad()
def _fastest(jobs: Iterable[Job], device: torch.device) -> list[tuple[int, Run]]:
    wait = waiting(device)

    def seconds(run: Run) -> float:
        return seconds_of(lambda: (run(), wait()))

    chosen = []
    for job in jobs:
        ways = [_replayed(run, device) for run in job.ways]
        trials = [[seconds(way) for way in ways] for _ in range(TRIALS)]
        best = [min(column) for column in zip(*trials, strict=True)]
        chosen.append((job.times, job.ways[best.index(min(best))]))
    return chosen


def _replayed(run: Run, device: torch.device) -> Run:
    """`run` itself, or on CUDA a graph of it, whose launches cost next to nothing."""
    choose_kernels(device)
    for _ in range(2):
        run()  # libraries choose their kernels
    if device.type != "cuda":
        return run
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        run()
    return graph.replay
