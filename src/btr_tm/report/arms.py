"""Runs to compare, arms of runs that differ only in their seed, and the axes they are compared along."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.core.files import read_json, short
from btr_tm.core.types import JsonObject
from btr_tm.metrics.meter import Row
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.run import manifest as manifest_of_run
from btr_tm.run.manifest import differences

Array = np.ndarray
SEED = re.compile(r"s\d+")
LONGEST_LIST = 300  # characters of differing settings that a sentence quotes


class Axis(NamedTuple):
    """What runs are compared along: the first of `keys` that a row holds, times `scale`."""

    unit: str
    label: str
    keys: tuple[str, ...]
    scale: float = 1.0


# The two clocks have the names of the published comparison. clock_s is the time of day since the first row;
# our own records leave out the time between two sessions, so there both clocks are that of the sessions.
AXES = {
    "frames": Axis("frames", "frames (decisions, summed over cars)", ("frames",)),
    "updates": Axis("updates", "updates of the network", ("updates",)),
    "cpu_s": Axis("CPU seconds", "CPU seconds", ("cpu_s",)),
    "wall_minutes": Axis("minutes", "minutes since the start", ("clock_s", "wall_s"), 1 / 60),
    "cumul_training_hours": Axis("training hours", "hours of training", ("wall_s",), 1 / 3600),
}


class Seed(NamedTuple):
    """One run of an arm."""

    folder: Path  # or the one file that it is
    rows: list[Row]
    manifest: JsonObject
    ended: bool  # its summary is there
    whole_rows: bool = True  # a metric that a row lacks did not exist then, where others of its section did

    def series(self, name: str, axis: str) -> tuple[Array, Array]:
        """Abscissae and values (X,) of a metric; NaN where its section was measured, but it does not exist.

        A race time, for example, does not exist where the race was not finished.
        """
        section = name.split("/")[0] + "/" if self.whole_rows and "/" in name else None
        points = [
            (self.at(row, axis), float(row.get(name, math.nan)))
            for row in self.rows
            if name in row or (section and any(key.startswith(section) for key in row))
        ]
        found = np.array([point for point in points if not math.isnan(point[0])]).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    @staticmethod
    def at(row: Row, axis: str) -> float:
        """Where on the axis a row lies; NaN if it does not say."""
        keys, scale = AXES[axis].keys, AXES[axis].scale
        return next((float(row[key]) * scale for key in keys if key in row), math.nan)


class Arm(NamedTuple):
    """Runs with one configuration and different seeds."""

    label: str
    seeds: tuple[Seed, ...]

    def names(self) -> list[str]:
        """What its runs are called: `base/s3`; `base` for an only one."""
        if len(self.seeds) == 1:
            return [self.label]
        return [f"{self.label}/s{seed.manifest['seed']}" for seed in self.seeds]


def read_seed(folder: Path) -> Seed:
    """A run's folder, or what was kept of it; a run that is still going has no summary yet."""
    for name in ("record.jsonl", "manifest.json"):
        if not (folder / name).exists():
            raise UserError(f"{folder / name} is missing")
    rows, manifest = rows_of(folder / "record.jsonl"), manifest_of_run.read(folder / "manifest.json")
    return Seed(folder, rows, manifest, has_ended(folder / "summary.json", rows[-1]["frames"]))


def has_ended(summary: Path, frames: float) -> bool:
    """Whether a summary is there, and not one of before the run went on beyond it to `frames`."""
    return summary.exists() and float(read_json(summary).get("frames", math.inf)) >= frames


def rows_of(path: Path) -> list[Row]:
    """The rows of a record, each with its abscissae."""
    rows = read_record(path)
    if not rows:
        raise UserError(f"{path} has no whole row yet")
    for number, row in enumerate(rows, 1):
        if not {"wall_s", "cpu_s"} <= row.keys():
            raise UserError(f"row {number} of {path} must hold wall_s and cpu_s")
    return rows


def refuse_mixtures(label: str, seeds: Sequence[Seed]) -> None:
    """The runs of an arm share their configuration, but no seed."""
    first = seeds[0]
    for other in seeds[1:]:
        changed = differences(without_seed(first), begun_as(first, other))
        if changed:
            raise UserError(
                f"{other.folder.name} in {label} has another configuration than {first.folder.name} "
                f"({short('; '.join(changed), LONGEST_LIST)}); put them into two arms"
            )
    numbers = [seed.manifest["seed"] for seed in seeds]
    if len(set(numbers)) < len(numbers):
        raise UserError(f"the runs in {label} must have different seeds, got {numbers}; leave the copies out")


def without_seed(seed: Seed) -> JsonObject:
    return {key: value for key, value in seed.manifest["config"].items() if key != "seed"}


def begun_as(first: Seed, other: Seed) -> JsonObject:
    """`without_seed(other)`, but runs that each begin with the run of their own seed begin alike."""
    config = without_seed(other)
    begun = [PurePosixPath(str(seed.manifest["config"].get("init_from", ""))) for seed in (first, other)]
    own = [path.name == f"s{seed.manifest['seed']}" for path, seed in zip(begun, (first, other), strict=True)]
    if all(own) and begun[0].parent == begun[1].parent:
        config["init_from"] = without_seed(first)["init_from"]
    return config


def track_of(arm: Arm) -> str:
    """What its first run drove on, in lower case: a track, the file of one, or another environment's game;
    "" if unknown."""
    config = arm.seeds[0].manifest["config"]
    track, env = config.get("track"), config.get("env")
    for node, keys in ((track, ("name_or_path",)), (env, ("game", "id"))):
        names = [str(node[key]) for key in keys if key in node] if isinstance(node, dict) else []
        if names:
            return names[0].replace("\\", "/").lower()
    return ""


def author_time_s(arm: Arm) -> float:
    """The author time of its track as shipped today, so that arms of any age are measured alike; for another
    track the one that its races were measured with; NaN where unknown."""
    shipped_s = shipped_author_time_s(arm.seeds[0].manifest["config"].get("track"))
    if not math.isnan(shipped_s):
        return shipped_s
    for row in (row for seed in arm.seeds for row in seed.rows):
        if "eval/author_ratio" in row and "eval/canonical_time_s" in row:
            return round(row["eval/canonical_time_s"] / row["eval/author_ratio"], 2)  # ticks of 10 ms
    return math.nan


def shipped_author_time_s(track: object) -> float:
    """NaN for any other track."""
    from btr_tm.sim.track.load import load_track, shipped_tracks

    name = track.get("name_or_path") if isinstance(track, dict) else None
    author_ms = load_track(name).author_time_ms if name in shipped_tracks() else None
    return author_ms / 1000 if author_ms else math.nan
