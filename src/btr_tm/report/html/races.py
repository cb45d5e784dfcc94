"""The best race of each arm, driven again: positions and speeds over the race, few enough for a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.race.inputs_file import InputsFile
from btr_tm.report.arms import Arm
from btr_tm.report.html.track_map import TrackMap, track_map
from btr_tm.report.redrive import TICK_MS, Redriven, redrive_all, track_beside
from btr_tm.sim.track.load import shipped_tracks
from btr_tm.sim.track.ribbon import Track
from btr_tm.sim.track.source import source_in

Array = np.ndarray
SAMPLES = 12_000  # of all races together
FINEST_S = 0.1
INPUTS = Path("best", "race.inputs")
NOTHING = "No race is shown, because no run here has kept one (best/race.inputs)."


class Kept(NamedTuple):
    """The best race that a run of an arm has kept."""

    arm: int
    label: str
    seed: str
    path: Path
    inputs: InputsFile

    @property
    def rank(self) -> tuple[bool, int]:
        """Finished races first, the fastest of them before the others."""
        return self.inputs.time_ms == 0, self.inputs.time_ms


class Driven(NamedTuple):
    """Races on one track, driven again; and one sentence for each that is missing or ended otherwise."""

    track: Track | None  # None where there is no race
    kept: tuple[Kept, ...]
    races: tuple[Redriven, ...]
    notes: tuple[str, ...]


class Race(NamedTuple):
    """One race on the map: T samples, the last one at its end."""

    arm: int
    label: str
    seed: str
    finished: bool
    time_s: float
    x: tuple[int, ...]  # decimetres on the map
    y: tuple[int, ...]
    way: tuple[int, ...]  # decimetres driven along the road
    speed: tuple[int, ...]  # km/h


class Races(NamedTuple):
    """What a film needs; races whose samples are `step_s` apart."""

    map: TrackMap
    author_s: float  # 0 where unknown
    step_s: float
    races: tuple[Race, ...]


def drive(arms: Sequence[Arm]) -> Driven:
    """The best race of each arm, on the track that most of them drove."""
    kept, notes = best_races(arms)
    found = [(each, track) for each, track in zip(kept, tracks_of(kept, notes), strict=True) if track]
    if not found:
        return Driven(None, (), (), (*notes, NOTHING))
    name = Counter(track.name for _, track in found).most_common(1)[0][0]
    track = next(track for _, track in found if track.name == name)
    for each, other in found:
        if other.name != name:
            notes.append(f"The race of {each.label} is not shown, because it was driven on {other.name}.")
    shown = [each for each, other in found if other.name == name]
    races = redrive_all(track, [each.inputs.actions for each in shown])
    notes += [note for each, race in zip(shown, races, strict=True) for note in otherwise(each, race)]
    return Driven(track, tuple(shown), tuple(races), tuple(notes))


def best_races(arms: Sequence[Arm]) -> tuple[list[Kept], list[str]]:
    """The best race that some run of each arm has kept, and a sentence for each arm without one."""
    found: list[Kept] = []
    lacking: list[str] = []
    notes: list[str] = []
    for number, arm in enumerate(arms):
        kept, problems = kept_by(number, arm)
        notes += problems
        if kept:
            found.append(min(kept, key=lambda each: each.rank))
        elif not problems:
            lacking.append(arm.label)
    if found and lacking:
        notes.append(f"No race has been kept of {', '.join(lacking)}.")
    return found, notes


def kept_by(number: int, arm: Arm) -> tuple[list[Kept], list[str]]:
    """The races of an arm, and why others cannot be read."""
    kept, problems = [], []
    for seed in arm.seeds:
        path, name = seed.folder / INPUTS, f"s{seed.manifest['seed']}"
        if path.exists():
            try:
                kept.append(Kept(number, arm.label, name, path, InputsFile.read(path)))
            except UserError as error:
                problems.append(f"A race of {arm.label} is not shown: {named(str(error), path)}.")
    return kept, problems


def named(text: str, path: Path) -> str:
    """Without the folders, which another reader does not have."""
    return text.replace(str(path), f"{path.parents[1].name}/{INPUTS.as_posix()}")


def tracks_of(kept: Sequence[Kept], notes: list[str]) -> list[Track | None]:
    """The track of each race, the same object for the same track file; a note says why one is missing."""
    known: dict[tuple[Path | None, str, float], Track | None] = {}
    found = []
    for each in kept:
        inputs, shipped = each.inputs, each.inputs.track in shipped_tracks()
        key = (None if shipped and not beside(each) else each.path.parent, inputs.track, inputs.half_width_m)
        if key not in known:
            known[key] = track_beside(inputs, each.path)
        if known[key] is None:
            track = f"its track {inputs.track}" if inputs.track else "its track, which it does not name,"
            notes.append(f"The race of {each.label} is not shown: {track} neither ships nor lies beside it.")
        found.append(known[key])
    return found


def beside(kept: Kept) -> bool:
    return source_in(kept.path.parent, kept.inputs.track) is not None


def otherwise(kept: Kept, race: Redriven) -> list[str]:
    """Said where a race ends otherwise than in its file: another physics or another machine."""
    recorded = kept.inputs.time_ms
    if recorded == (race.time_ms if race.finished else 0):
        return []
    before = f"{recorded / 1000:.2f} s" if recorded else "not finished"
    now = f"ends after {race.time_ms / 1000:.2f} s" if race.finished else "does not reach the finish"
    return [f"The race of {kept.label}, {before} when it was recorded, {now} when driven again."]


def laid_out(driven: Driven, detail: float = 1.0) -> Races | None:
    """Races as samples on the map of their track; None where there is none."""
    track = driven.track
    if track is None:
        return None
    plan = track_map(track)
    ticks = sum(len(race.actions) for race in driven.races)
    every = max(round(FINEST_S * 1000 / TICK_MS), -(-ticks // max(1, int(SAMPLES * detail))))
    return Races(
        map=plan,
        author_s=(track.author_time_ms or 0) / 1000,
        step_s=every * TICK_MS / 1000,
        races=tuple(
            sampled(kept, race, plan, track.start_m, every)
            for kept, race in zip(driven.kept, driven.races, strict=True)
        ),
    )


def sampled(kept: Kept, race: Redriven, plan: TrackMap, start_m: float, every: int) -> Race:
    """The race at its beginning, then every so many ticks, and at its end."""
    ticks = len(race.actions)
    keep = np.unique([*range(every - 1, ticks, every), ticks - 1])
    position, speed = race.pose.position.numpy()[keep], race.speed_kmh.numpy()[keep]
    first = race.pose.position.numpy()[:1]  # after the first tick of standing still
    x, y = plan.place(np.concatenate([first, position]))
    way = race.pose.s_m.numpy()[keep] - start_m
    return Race(
        arm=kept.arm,
        label=kept.label,
        seed=kept.seed,
        finished=race.finished,
        time_s=race.time_ms / 1000,
        x=whole(x),
        y=whole(y),
        way=(0, *whole(10 * way)),
        speed=(0, *whole(speed)),
    )


def whole(values: Array) -> tuple[int, ...]:
    return tuple(np.rint(values).astype(int).tolist())
