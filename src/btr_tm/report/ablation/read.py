"""Reads the folder of a sweep, FOLDER/ARM/s0, s1, ...; what cannot be used is left out with a note."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.report.arms import SEED, Seed, begun_as, read_seed, without_seed
from btr_tm.report.table_text import amount
from btr_tm.run import status as status_of
from btr_tm.run import sweep
from btr_tm.run.manifest import differences


class Sweep(NamedTuple):
    """The runs that can be compared, by arm, the base first; and one sentence for each that cannot."""

    arms: dict[str, tuple[Seed, ...]]
    notes: tuple[str, ...]


def read(folder: Path, metric: str) -> Sweep:
    """The runs of `folder` that ended and have at least two values of `metric`; UserError if none has."""
    names = runs_in(folder)
    if not names:
        raise UserError(f"{folder} holds no runs; name the folder of a sweep, with ARM/s0, ARM/s1, ... in it")
    notes = missing(folder, names)
    runs: dict[tuple[str, str], Seed] = {}
    for arm, seed in names:
        run = read_run(folder, f"{arm}/{seed}", metric, notes)
        if run:
            runs[arm, seed] = run
    runs = one_track(runs, notes)
    arms: dict[str, tuple[Seed, ...]] = {}
    for arm in dict.fromkeys(arm for arm, _ in names):
        found = [(f"{arm}/{seed}", run) for (other, seed), run in runs.items() if other == arm]
        if found:
            arms[arm] = one_configuration(found, notes)
    if not arms and all(f"no value of {metric}" in note or " lacks s" in note for note in notes):
        raise UserError(f"no run in {folder} has {metric}; name another --metric, such as eval/progress_mean")
    if not arms:
        raise UserError(f"{folder} holds no run that can be used: {' '.join(dict.fromkeys(notes))}")
    return Sweep(arms, tuple(notes))


def runs_in(folder: Path) -> list[tuple[str, str]]:
    """Arms and seeds that have recorded something or say what they are, the base first."""
    files = [path for name in ("record.jsonl", "manifest.json") for path in folder.glob(f"*/s*/{name}")]
    return in_order({(path.parts[-3], path.parts[-2]) for path in files if SEED.fullmatch(path.parts[-2])})


def missing(folder: Path, names: Sequence[tuple[str, str]]) -> list[str]:
    """One sentence for each arm that lacks runs which were planned, or whose seed other arms have."""
    planned, why = set(product(*map(set, zip(*names, strict=True)))), "other arms have them"
    if (folder / sweep.PLAN).exists():
        planned, why = set(sweep.planned(folder)), "the sweep has not begun them"
    absent = in_order(planned - set(names))
    seeds = {arm: [seed for other, seed in absent if other == arm] for arm, _ in absent}
    return [f"{arm} lacks {', '.join(each)}: {why}." for arm, each in seeds.items()]


def in_order(runs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Arms and seeds, the base first."""
    return sorted(runs, key=lambda run: (*sweep.rank(run[0]), int(run[1][1:])))


def read_run(folder: Path, name: str, metric: str, notes: list[str]) -> Seed | None:
    """The run; None, and a note, where it is of no use."""
    try:
        run = read_seed(folder / name)
    except UserError as error:
        notes.append(f"{name} is left out: {str(error).replace(f'{folder}/', '')}.")
        return None
    if not run.ended:
        last = amount(run.rows[-1]["frames"], "frames")
        notes.append(
            f"{name} is left out: it has not ended{reason(run.folder)}; its record goes to {last} frames."
        )
        return None
    count = sum(metric in row for row in run.rows)
    if count < 2:
        times = {0: "no value", 1: "one value"}[count]
        notes.append(f"{name} is left out: it has {times} of {metric}, and a curve needs two points.")
        return None
    return run


def reason(folder: Path) -> str:
    """How the run stands, where it says so."""
    if not (folder / status_of.NAME).exists():
        return ""
    held = sweep.status(folder)
    return f" ({held.state}{': ' + sweep.last_line(held.reason) if held.reason else ''})"


def one_track(runs: dict[tuple[str, str], Seed], notes: list[str]) -> dict[tuple[str, str], Seed]:
    """The runs on the track that most were driven on."""
    tracks = {name: track_of(run) for name, run in runs.items()}
    counts = Counter(tracks.values()).most_common()
    for track, count in counts[1:]:
        names = ", ".join(f"{arm}/{seed}" for (arm, seed), other in tracks.items() if other == track)
        verb = "is" if count == 1 else "are"
        notes.append(f"{names} {verb} left out: driven on {track}, the others on {counts[0][0]}.")
    return {name: run for name, run in runs.items() if tracks[name] == counts[0][0]}


def track_of(run: Seed) -> str:
    track = run.manifest["config"].get("track")
    name = track.get("name_or_path") if isinstance(track, dict) else None
    return str(name or track or "an unknown track").replace("\\", "/")


def one_configuration(runs: Sequence[tuple[str, Seed]], notes: list[str]) -> tuple[Seed, ...]:
    """The runs with the configuration that most of them have, one for each seed."""
    alike = [[not differences(without_seed(one), begun_as(one, run)) for _, run in runs] for _, one in runs]
    first = runs[max(range(len(runs)), key=lambda number: sum(alike[number]))][1]
    kept: list[Seed] = []
    for name, run in runs:
        changed = differences(without_seed(first), begun_as(first, run))
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            other = f"is not that of {first.folder.name} ({changed[0]}{more})"
            notes.append(f"{name} is left out: its configuration {other}.")
        elif any(run.manifest["seed"] == other.manifest["seed"] for other in kept):
            notes.append(f"{name} is left out: another run of its arm has seed {run.manifest['seed']} too.")
        else:
            kept.append(run)
    return tuple(kept)
