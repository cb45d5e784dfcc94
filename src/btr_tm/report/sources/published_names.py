"""Rows of other programs in our names, where the catalogue knows the published one."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.core.types import JsonObject
from btr_tm.metrics.catalog import CATALOG
from btr_tm.metrics.meter import Row
from btr_tm.metrics.metric import Metric
from btr_tm.report.arms import Seed

WHOLE = {"frames", "wall_s", "cpu_s"}  # in every row of our own


class Meaning(NamedTuple):
    """A metric of the catalogue behind a published tag."""

    name: str
    scale: float  # the tag's value is the metric's times this
    track: str


def in_our_names(rows: Sequence[Row]) -> tuple[list[Row], str]:
    """The rows with our names beside those that they have, and the track that most of them are of.

    A tag of another track keeps its own name alone.
    """
    meanings = {tag: found for tag in {key for row in rows for key in row} if (found := meaning(tag))}
    counts = Counter(meanings[key].track for row in rows for key in row if key in meanings)
    track = next((name for name, _ in counts.most_common() if name), "")
    ours = {tag: found for tag, found in meanings.items() if found.track in ("", track)}
    return [_translated(row, ours) for row in rows], track


def _translated(row: Row, meanings: dict[str, Meaning]) -> Row:
    found = {meanings[tag].name: value / meanings[tag].scale for tag, value in row.items() if tag in meanings}
    if "canonical/time_s" in found:  # an evaluation race, which may not have reached the finish
        found = {"eval/canonical_time_s": math.nan} | found
    return found | row


@cache
def meaning(tag: str) -> Meaning | None:
    """What the catalogue calls a published tag; Linesight's own lack the group before the slash."""
    if tag in CATALOG:
        return None
    for pattern, metric in _patterns():
        if match := pattern.fullmatch(tag):
            groups = match.groupdict()
            track = groups.pop("track", "")
            return Meaning(metric.stem + "".join(groups.values()), metric.scale, track)
    return None


@cache
def _patterns() -> list[tuple[re.Pattern[str], Metric]]:
    return [
        (re.compile(_pattern(tag)), metric)
        for metric in CATALOG.values()
        for tag in metric.tag.split()
        if metric.name != "frames"  # which is the step itself
    ]


def _pattern(tag: str) -> str:
    """`Race/split_{track}_{split}` as a regular expression, its group optional."""
    group, slash, rest = tag.partition("/") if tag.count("/") == 1 else ("", "", tag)
    text = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(rest))
    return f"(?:{re.escape(group + slash)})?{text}"


def seed_of(place: Path, rows: Sequence[Row], number: int, config: JsonObject, ended: bool) -> Seed:
    """A run logged elsewhere, by us or by another program; its rows hold `frames` and `clock_s`."""
    if not rows:
        raise UserError(f"{place} holds no numbers")
    named, track = in_our_names(rows)
    whole = all(WHOLE <= row.keys() for row in named)
    if track and "track" not in config:
        config = config | {"track": {"name_or_path": track}}
    manifest = {"run_id": place.name, "seed": number, "config": config, "sessions": []}
    return Seed(place, named if whole else list(_with_hours(named)), manifest, ended, whole)


def _with_hours(rows: Sequence[Row]) -> Iterator[Row]:
    """Training time also in the rows between two that have it, in proportion to their frames."""
    logged = [(row["frames"], row["wall_s"]) for row in rows if "wall_s" in row]
    xs, ys = [x for x, _ in logged], [y for _, y in logged]
    for row in rows:
        inside = bool(logged) and xs[0] <= row["frames"] <= xs[-1]
        yield row | {"wall_s": float(np.interp(row["frames"], xs, ys))} if inside else row
