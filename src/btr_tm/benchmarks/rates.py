"""The best rates of this machine: square matrix products and a copy of memory."""

from __future__ import annotations

import torch

from btr_tm.benchmarks.row import Row, rate_row
from btr_tm.benchmarks.timing import Effort, Subject, interleave

DTYPES = (torch.float32, torch.bfloat16)
COPY = "copy of memory"
GIGA = 1e9


def rate_rows(effort: Effort, device: torch.device) -> list[Row]:
    """FLOP of products and bytes of a copy, read and written, per second."""
    subjects = [*(product_subject(effort, device, dtype) for dtype in DTYPES), copy_subject(effort, device)]
    times = interleave(subjects, effort.rounds, device)
    units = {COPY: "GB/s"}
    what = {name: f"{name}, {effort.matrix} x {effort.matrix}" for name in times} | {COPY: COPY}
    return [rate_row(what[name], units.get(name, "GFLOP/s"), each) for name, each in times.items()]


def product_subject(effort: Effort, device: torch.device, dtype: torch.dtype) -> Subject:
    """A square matrix product; work is in GFLOP."""
    shape = (effort.matrix, effort.matrix)
    a, b = (torch.randn(shape, device=device, dtype=dtype) for _ in range(2))
    return Subject(product_name(dtype), 2 * effort.matrix**3 / GIGA, lambda: a @ b)


def product_name(dtype: torch.dtype) -> str:
    return f"matrix product, {str(dtype).removeprefix('torch.')}"


def copy_subject(effort: Effort, device: torch.device) -> Subject:
    """A copy that no cache can hold; work is in GB, each byte once read and once written."""
    source = torch.zeros(effort.copied_mib << 20, dtype=torch.uint8, device=device)
    goal = torch.empty_like(source)
    return Subject(COPY, 2 * source.numel() / GIGA, lambda: goal.copy_(source))
