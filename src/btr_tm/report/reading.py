"""Reads the arms that a comparison is asked for, from whatever they lie in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.report.arms import Arm, Seed, refuse_mixtures, track_of
from btr_tm.report.sources.record_files import RecordFiles
from btr_tm.report.sources.run_folders import RunFolders
from btr_tm.report.sources.source import Places, Source
from btr_tm.report.sources.tensorboard import TensorboardFolders
from btr_tm.report.sources.wandb_runs import WandbRuns

SOURCES: tuple[Source, ...] = (RunFolders(), RecordFiles(), TensorboardFolders(), WandbRuns())
KINDS = "a run, runs s0, s1, ..., a sweep of them, kept records, TensorBoard files or runs of wandb"


class Reading(NamedTuple):
    """Arms, the first one the base, and one sentence for everything that was left out."""

    arms: list[Arm]
    left_out: list[str]


def read_arms(arguments: Sequence[str], base: str = "", track: str = "") -> Reading:
    """Arms of arguments `LABEL=PATH` or `PATH`; the first one, or the one called `base`, comes first.

    `track` is that of runs which do not say theirs. What cannot be read or compared is left out; UserError if
    nothing is left, if two arms have one name, or if no arm is called `base`.
    """
    arms: list[Arm] = []
    left_out: list[str] = []
    for argument in arguments:
        try:
            found, faults = read_argument(argument)
        except UserError as error:
            found, faults = [], [f"{argument} is left out: {error}"]
        arms += found
        left_out += faults
    if not arms:
        raise UserError("; ".join(left_out))
    refuse_namesakes(arms)
    arms = [on_track(arm, track) for arm in base_first(arms, base)]
    return one_track(arms, left_out)


def read_argument(argument: str) -> tuple[list[Arm], list[str]]:
    """The arms of one argument, and what was left out of them."""
    label, path = labelled(argument)
    source, places = find(path)
    arms, left_out = [], []
    for name, found in places.items():
        called = name if not label else label if len(places) == 1 else f"{label}/{name}"
        seeds, faults = read_seeds(source, called, found)
        left_out += faults
        try:
            if seeds:
                refuse_mixtures(called, seeds)
                arms.append(Arm(called, tuple(seeds)))
        except UserError as error:
            left_out.append(f"{called} is left out: {error}")
    return arms, left_out


def labelled(argument: str) -> tuple[str, Path]:
    """The label, if there is one: a folder whose own name holds `=`, as those of sweeps do, needs none."""
    label, equals, rest = argument.partition("=")
    if equals and not Path(argument).exists():
        return label, Path(rest)
    return "", Path(argument)


def find(path: Path) -> tuple[Source, Places]:
    """The source that knows `path`, and what it finds there."""
    for source in SOURCES:
        if places := source.find(path):
            return source, places
    if not path.exists():
        raise UserError(f"there is no {path}")
    raise UserError(f"it holds nothing to compare, which is {KINDS}")


def read_seeds(source: Source, label: str, places: Sequence[Path]) -> tuple[list[Seed], list[str]]:
    """Those runs that can be read, and a sentence for each other."""
    seeds, left_out = [], []
    for place in places:
        try:
            seeds.append(source.read(place))
        except UserError as error:
            name = label if len(places) == 1 else f"{label}/{place.name}"
            left_out.append(f"{name} is left out: {error}")
    return seeds, left_out


def refuse_namesakes(arms: Sequence[Arm]) -> None:
    labels = [arm.label for arm in arms]
    for label in labels:
        if labels.count(label) > 1:
            raise UserError(f"two arms are called {label!r}; give them names with LABEL=FOLDER")


def base_first(arms: Sequence[Arm], base: str) -> list[Arm]:
    """The arms, the one with which the others are compared in front."""
    chosen = base or arms[0].label
    if chosen not in [arm.label for arm in arms]:
        raise UserError(f"no arm is called {base!r}; --base is one of {', '.join(arm.label for arm in arms)}")
    return sorted(arms, key=lambda arm: arm.label != chosen)


def on_track(arm: Arm, track: str) -> Arm:
    """The arm, on `track` if it does not say where it drove, or drove on another file of that name."""
    there = PurePosixPath(track_of(arm)).name
    if not track or there not in ("", PurePosixPath(track.lower()).name):
        return arm
    named = {"track": {"name_or_path": track}}
    seeds = [
        seed._replace(manifest=seed.manifest | {"config": seed.manifest["config"] | named})
        for seed in arm.seeds
    ]
    return Arm(arm.label, tuple(seeds))


def one_track(arms: Sequence[Arm], left_out: Sequence[str]) -> Reading:
    """The arms that drove where the base drove, as far as they say it."""
    base, kept, faults = track_of(arms[0]), [], list(left_out)
    for arm in arms:
        if base and track_of(arm) not in ("", base):
            faults.append(
                f"{arm.label} is left out: it drove on {track_of(arm)} and {arms[0].label} on {base}, so "
                f"that their races cannot be compared{if_one_track(track_of(arm), base)}"
            )
        else:
            kept.append(arm)
    return Reading(kept, faults)


def if_one_track(one: str, other: str) -> str:
    """What helps where two files have one name."""
    name = PurePosixPath(one).name
    return f"; if the two are one track, add --track {name}" if name == PurePosixPath(other).name else ""
