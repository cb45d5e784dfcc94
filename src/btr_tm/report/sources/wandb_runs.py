"""Runs of Weights & Biases as they lie on this disk, offline ones above all."""

from __future__ import annotations

import math
import re
from pathlib import Path

from btr_tm.core.errors import UserError
from btr_tm.core.types import JsonObject
from btr_tm.metrics.meter import Row
from btr_tm.metrics.sinks.wandb_file import Logged, read
from btr_tm.report.arms import Seed
from btr_tm.report.sources.published_names import seed_of
from btr_tm.report.sources.source import Places
from btr_tm.run.sweep import rank

NAME = re.compile(r"(?:.*/)?(.+)/s(\d+)")  # what our runs are called: quickstart/base/s0
NO_CHOICE = frozenset(
    {"_wandb", "fingerprint", "arm", "commit"}
)  # what a configuration holds beside its values


class WandbRuns:
    """One .wandb file, or a folder in which such files lie; ours are arms, each other run is one of its own.

    A run that was started several times has as many files, of one name.
    """

    def find(self, path: Path) -> Places:
        files = [path] if path.suffix == ".wandb" and path.is_file() else sorted(path.rglob("*.wandb"))
        newest = {file.name: file for file in files}  # the folders are named by their time
        arms: Places = {}
        for file in newest.values():
            arms.setdefault(_label(file), []).append(file)
        return {arm: arms[arm] for arm in sorted(arms, key=rank)}

    def read(self, place: Path) -> Seed:
        starts = [read(file) for file in sorted(place.parents[1].glob(f"*/{place.name}"))]
        rows: list[Row] = []
        for start in starts:
            rows = _joined(rows, _rows(start))
        config = {key: value for key, value in starts[-1].config.items() if key not in NO_CHOICE}
        match = NAME.fullmatch(starts[-1].name)
        return seed_of(place, rows, int(match[2]) if match else 0, config, starts[-1].ended)


def _label(file: Path) -> str:
    try:
        name = read(file).name
    except UserError:
        return file.stem  # which reading it again refuses, with the reason
    match = NAME.fullmatch(name)
    return match[1] if match else name


def _rows(start: Logged) -> list[Row]:
    """Numbers alone, in the order of their frames: W&B's own step where none are logged."""
    rows = [_row(item) for item in start.rows]
    begin = next((row["_timestamp"] for row in rows if "_timestamp" in row), math.nan)
    found = []
    for row in rows:
        known = {"frames": row.get("frames", row.get("_step", math.nan))}
        if "_timestamp" in row:
            known["clock_s"] = row["_timestamp"] - begin
        if "_runtime" in row:
            known["wall_s"] = row.get("wall_s", row["_runtime"])
        found.append({key: value for key, value in row.items() if not key.startswith("_")} | known)
    return sorted((row for row in found if row["frames"] >= 0), key=lambda row: row["frames"])


def _row(item: JsonObject) -> Row:
    return {
        key: value
        for key, value in item.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _joined(earlier: list[Row], later: list[Row]) -> list[Row]:
    """The rows of two starts: one that wrote everything again, or one that went on."""
    if not earlier or not later:
        return earlier or later
    if later[0]["frames"] <= earlier[0]["frames"]:
        return max(later, earlier, key=len)
    return [row for row in earlier if row["frames"] < later[0]["frames"]] + later
