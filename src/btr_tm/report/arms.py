"""Reads and checks arms to compare: the records of runs that differ only in their seed."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.core.types import JsonObject
from btr_tm.metrics.meter import Row
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.run import manifest as manifest_of_run
from btr_tm.run.manifest import differences
from btr_tm.run.sweep import rank

Array = np.ndarray
SEED = re.compile(r"s\d+")


class Seed(NamedTuple):
    """One run of an arm."""

    folder: Path
    rows: list[Row]
    manifest: JsonObject
    ended: bool  # its summary is there

    def series(self, name: str, axis: str) -> tuple[Array, Array]:
        """Abscissae and values (X,) of a metric; NaN where its section was measured, but it does not exist.

        A race time, for example, does not exist where the race was not finished.
        """
        section = name.split("/")[0] + "/"
        measured = [row for row in self.rows if any(key.startswith(section) for key in row)]
        xs = np.array([float(row[axis]) for row in measured])
        return xs, np.array([float(row.get(name, math.nan)) for row in measured])


class Arm(NamedTuple):
    """Runs with one configuration and different seeds."""

    label: str
    seeds: tuple[Seed, ...]


def read_arms(arguments: Sequence[str]) -> list[Arm]:
    """Arms of arguments `LABEL=FOLDER` or `FOLDER`; UserErrors say which file is missing or broken.

    The folder of a sweep stands for all its arms, the base first.
    """
    arms = [read_arm(argument) for each in arguments for argument in arms_in(each)]
    labels = [arm.label for arm in arms]
    for label in labels:
        if labels.count(label) > 1:
            raise UserError(f"two arms are called {label!r}; give them names with LABEL=FOLDER")
    return arms


def arms_in(argument: str) -> list[str]:
    """The argument itself, or the folders of the arms of a sweep that have recorded something."""
    found = [path for path in Path(argument).glob("*/s*/record.jsonl") if SEED.fullmatch(path.parent.name)]
    if (Path(argument) / "record.jsonl").exists() or not found:
        return [argument]
    folders = {path.parents[1] for path in found}
    return [str(folder) for folder in sorted(folders, key=lambda each: rank(each.name))]


def read_arm(argument: str) -> Arm:
    """One arm; a folder whose own name holds `=`, as those of sweeps do, needs no label."""
    label, equals, rest = argument.partition("=")
    labelled = bool(equals) and not Path(argument).exists()
    folder = Path(rest if labelled else argument)
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; name a folder of seeds or a run")
    seeds = tuple(read_seed(each) for each in seed_folders(folder))
    refuse_mixtures(folder, seeds)
    return Arm(label if labelled else name_of(folder), seeds)


def seed_folders(folder: Path) -> list[Path]:
    """The folder itself where it is a run, else s0, s1, ... in it."""
    if (folder / "record.jsonl").exists():
        return [folder]
    found = [each for each in folder.iterdir() if SEED.fullmatch(each.name) and each.is_dir()]
    if not found:
        raise UserError(f"{folder} holds neither seeds s0, s1, ... nor a record.jsonl; name an arm or a run")
    return sorted(found, key=lambda each: int(each.name[1:]))


def name_of(folder: Path) -> str:
    """`base`; `base/s0` for a single run."""
    parts = folder.resolve().parts[-2:]
    return "/".join(parts if SEED.fullmatch(parts[-1]) else parts[-1:])


def read_seed(folder: Path) -> Seed:
    """One run; a run that is still going has no summary yet."""
    for name in ("record.jsonl", "manifest.json"):
        if not (folder / name).exists():
            raise UserError(f"{folder / name} is missing; leave {folder} out")
    rows, manifest = read_record(folder / "record.jsonl"), manifest_of_run.read(folder / "manifest.json")
    check_rows(folder / "record.jsonl", rows)
    return Seed(folder, rows, manifest, (folder / "summary.json").exists())


def check_rows(path: Path, rows: Sequence[Row]) -> None:
    """Every row has its abscissae."""
    if not rows:
        raise UserError(f"{path} is empty; wait for the run, or leave it out")
    for number, row in enumerate(rows, 1):
        if not {"wall_s", "cpu_s"} <= row.keys():
            raise UserError(f"row {number} of {path} must hold wall_s and cpu_s")


def refuse_mixtures(folder: Path, seeds: Sequence[Seed]) -> None:
    """The runs of an arm share their configuration, but no seed."""
    first = seeds[0]
    for other in seeds[1:]:
        changed = differences(without_seed(first), without_seed(other))
        if changed:
            raise UserError(
                f"{other.folder.name} in {folder} has another configuration than {first.folder.name} "
                f"({'; '.join(changed)}); put them into two arms"
            )
    numbers = [seed.manifest["seed"] for seed in seeds]
    if len(set(numbers)) < len(numbers):
        raise UserError(
            f"the runs in {folder} must have different seeds, got {numbers}; leave the copies out"
        )


def without_seed(seed: Seed) -> JsonObject:
    return {key: value for key, value in seed.manifest["config"].items() if key != "seed"}


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
