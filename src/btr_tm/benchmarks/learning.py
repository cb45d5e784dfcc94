"""What one update of the learner costs at the size of quickstart; full_step has the full size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from btr_tm.benchmarks.arithmetic import Layer
from btr_tm.benchmarks.floor import update_floor
from btr_tm.benchmarks.row import NOTHING, Beside, Row, duration_row
from btr_tm.benchmarks.timing import CPU, Effort, Subject, interleave
from btr_tm.core.protocols import Learner
from btr_tm.core.types import Batch

UPDATES = 2  # per repetition


def update_rows(effort: Effort, nets: Sequence[tuple[str, Learner, Batch]], layers: list[Layer]) -> list[Row]:
    """`nets` are (name, learner, batch), the base of the comparison last; `layers` are those of the first."""
    size = len(nets[0][2].action)
    floor = update_floor(layers, size, CPU).subject("floor", CPU)
    times = interleave([*(_subject(*each) for each in nets), floor], effort.rounds)
    base, floors = nets[-1][0], {nets[0][0]: times["floor"].unit_ms}
    rows = []
    for name, learner, _ in nets:
        beside = NOTHING if name == base else Beside(base, times[base].unit_ms)
        parameters = sum(p.numel() for p in learner.policy.net.parameters())
        what = f"update of {size}, {name}, {parameters:,} parameters"
        rows.append(duration_row(what, times[name], beside, floor=floors.get(name, math.nan)))
    return rows


def _subject(name: str, learner: Learner, batch: Batch) -> Subject:
    def learn() -> None:
        for _ in range(UPDATES):
            learner.update(batch)

    return Subject(name, UPDATES, learn)
