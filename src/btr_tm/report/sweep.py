"""What the arms of a sweep have reached so far."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.metrics.stats import mean_interval
from btr_tm.report.arms import Seed
from btr_tm.report.compare import last, least
from btr_tm.report.compare_text import best_text
from btr_tm.report.table_text import interval_text, markdown
from btr_tm.run.sweep import Standing


def table(found: Sequence[Standing]) -> str:
    """Best time and finish rate of each arm over its runs that are done, with 95 % intervals.

    A run whose record cannot be read is left out, and a line below the table says so.
    """
    rows = [["arm", "runs done", "best canonical time (s)", "finish rate at the end"]]
    notes: list[str] = []
    for arm in dict.fromkeys(each.arm for each in found):
        runs = [each for each in found if each.arm == arm]
        seeds = _readable([each.folder for each in runs if each.status.state == "done"], notes)
        times = np.array([least(seed, "eval/canonical_time_s") for seed in seeds])
        rates = np.array([last(seed, "eval/finish_rate") for seed in seeds])
        rates = rates[np.isfinite(rates)]  # none where the runs are not evaluated
        rows.append(
            [
                arm,
                f"{len(seeds)} of {len(runs)}",
                best_text(times[np.isfinite(times)], len(seeds)) if seeds else "--",
                interval_text(mean_interval(rates).of_shares(), ".2f") if len(rates) else "--",
            ]
        )
    return "\n".join([markdown(rows), *notes])


def _readable(folders: Sequence[Path], notes: list[str]) -> list[Seed]:
    """The runs that can be read; adds a note for each other one."""
    seeds = []
    for folder in folders:
        try:
            seeds.append(seed_of(folder))
        except UserError as error:
            notes.append(f"left out: {error}")
    return seeds


def seed_of(folder: Path) -> Seed:
    """A run that is done, without its manifest, which no figure here needs."""
    return Seed(folder, read_record(folder / "record.jsonl"), {}, True)
