"""TensorBoard folders of other programs, and of ours where no record is left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate, count
from pathlib import Path

from btr_tm.core.errors import UserError
from btr_tm.metrics.meter import Row
from btr_tm.report.arms import SEED, Seed
from btr_tm.report.sources.published_names import seed_of
from btr_tm.report.sources.source import Places, by_number, label_of

EVENTS = "events.out.tfevents.*"


class TensorboardFolders:
    """A run's folder, or one in which such folders lie; RUN_2, RUN_3, ... continue RUN.

    Every point is read: TensorBoard itself keeps 10,000 of a tag, and so may lose the best one.
    """

    def find(self, path: Path) -> Places:
        if _has_events(path):
            return {label_of(path): [path]}
        arms: Places = {}
        for folder in sorted({file.parent for file in path.rglob(EVENTS)} if path.is_dir() else ()):
            if not _continues(folder):
                is_seed = bool(SEED.fullmatch(folder.name)) and folder.parent != path
                arm = (folder.parent if is_seed else folder).relative_to(path).as_posix()
                beside = not is_seed and any(
                    SEED.fullmatch(each.name) and _has_events(each) for each in folder.iterdir()
                )
                arms.setdefault(f"{arm} itself" if beside else arm, []).append(folder)
        return {arm: sorted(found, key=by_number) if len(found) > 1 else found for arm, found in arms.items()}

    def read(self, place: Path) -> Seed:
        rows: list[Row] = []
        for folder in _chain(place):
            later = rows_in(folder)
            if rows and later and later[0]["frames"] <= rows[0]["frames"]:
                raise UserError(
                    f"{folder} should continue {place}, but begins at step {later[0]['frames']:.0f} "
                    f"already; rename it"
                )
            rows = [row for row in rows if not later or row["frames"] < later[0]["frames"]] + later
        seed = int(place.name[1:]) if SEED.fullmatch(place.name) else 0
        return seed_of(place, _by_clock(rows), seed, {}, True)


def _has_events(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob(EVENTS))


def _chain(folder: Path) -> Iterator[Path]:
    """The folder, and those that continue it."""
    yield folder
    for number in count(2):
        following = folder.with_name(f"{folder.name}_{number}")
        if not _has_events(following):
            return
        yield following


def _continues(folder: Path) -> bool:
    match = re.fullmatch(r"(.+)_(\d+)", folder.name)
    return match is not None and folder in list(_chain(folder.with_name(match[1])))[1:]


def rows_in(folder: Path) -> list[Row]:
    """One row for each step; a tag written twice at a step makes another. `clock_s` is the time of day."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError as error:
        raise UserError(
            "TensorBoard files are read with a package that is missing: pip install 'btr-tm[tensorboard]'"
        ) from error
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    found: dict[int, list[Row]] = {}
    for tag in events.Tags()["scalars"]:
        for event in events.Scalars(tag):
            rows = found.setdefault(event.step, [])
            row = next((row for row in rows if tag not in row), None)
            if row is None:
                rows.append(row := {})
            row[tag] = event.value
            row["clock_s"] = min(row.get("clock_s", event.wall_time), event.wall_time)
    return [row | {"frames": step} for step, rows in sorted(found.items()) for row in rows]


def _by_clock(rows: list[Row]) -> list[Row]:
    """`clock_s` from the first row on; a value that was written late does not turn it back."""
    if not rows:
        return []
    begin = min(row["clock_s"] for row in rows)
    clocks = accumulate((row["clock_s"] - begin for row in rows), max)
    return [row | {"clock_s": clock} for row, clock in zip(rows, clocks, strict=True)]
