"""What one update of the learner costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from btr_tm.benchmarks.row import Row, duration_row
from btr_tm.benchmarks.timing import Effort, Subject, interleave
from btr_tm.core.types import Batch

UPDATES = 2  # per repetition


def update_rows(effort: Effort, nets: Sequence[tuple[str, Any, Batch]]) -> list[Row]:
    """`nets` are (name, learner, batch), the base of the comparison last."""
    times = interleave([_subject(*each) for each in nets], effort.rounds)
    base, _, batch = nets[-1]
    size = len(batch.action)
    rows = []
    for name, learner, _ in nets:
        beside = {} if name == base else {"beside": base, "theirs": times[base].unit_ms}
        parameters = sum(p.numel() for p in learner.online.parameters())
        what = f"update of {size}, {name}, {parameters:,} parameters"
        rows.append(duration_row(what, times[name], **beside))
    return rows


def _subject(name: str, learner: Any, batch: Batch) -> Subject:
    def learn() -> None:
        for _ in range(UPDATES):
            learner.update(batch)

    return Subject(name, UPDATES, learn)
