"""Decisions per second on flat ground, on any device; `simulator` has the full comparison on a CPU."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from btr_tm.benchmarks.row import NO_TARGET, Beside, Row, Target, rate_row
from btr_tm.benchmarks.simulator import FLAT, Drives
from btr_tm.benchmarks.timing import Effort, interleave


def flat_rows(effort: Effort, device: torch.device, target: Target = NO_TARGET) -> Iterator[Row]:
    """Eager first, then the same compiled beside it; 64 x 64 pixels are rendered in every decision."""
    what = f"simulator, flat ({FLAT}), {effort.cars:,} cars"
    eager = Drives(FLAT, "eager", effort, effort.cars, device).subject()
    alone = interleave([eager], effort.rounds, device)[eager.name]
    yield rate_row(f"{what}, eager", "decisions/s", alone, target=NO_TARGET if effort.compile else target)
    if effort.compile:
        compiled = Drives(FLAT, "compiled", effort, effort.cars, device)
        yield Row(f"first compiled decision, flat ({FLAT})", "s", compiled.first_s)
        times = interleave([eager, compiled.subject()], effort.rounds, device)
        beside = Beside("eager", times[eager.name].rate)
        yield rate_row(f"{what}, compiled", "decisions/s", times[compiled.subject().name], beside, target)
