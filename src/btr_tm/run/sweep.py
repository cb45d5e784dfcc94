"""How the runs of a sweep stand.

They lie in FOLDER/ARM/s0, s1, ...; FOLDER/sweep.json lists them from the start, so that those which have not
begun are known too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Sized
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from btr_tm.core.errors import UserError
from btr_tm.core.files import read_json, write_json
from btr_tm.run import status as status_of
from btr_tm.run.lock import NAME as LOCK
from btr_tm.run.lock import is_held
from btr_tm.run.status import Status

PLAN = "sweep.json"
PLAN_S = 30.0  # that another program may take to write it
BASE = "base"  # the arm that leaves nothing out
BEGUN = (status_of.NAME, "manifest.json")
WAITING, ENDED = "waiting", "ended without a word"
ORDER = ("done", "running", "stopped", WAITING, "failed", "crashed", ENDED, "unknown")


class Standing(NamedTuple):
    """One run of a sweep."""

    arm: str
    seed: str
    folder: Path
    status: Status

    @property
    def failed(self) -> bool:
        return self.status.state in ("failed", "crashed", ENDED, "unknown")


def write(folder: Path, runs: Iterable[tuple[str, str]]) -> None:
    """Add `runs`, arms and seeds, to those of `folder`; other programs may do so too. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f".{PLAN}.lock", timeout=PLAN_S):
            there = set(planned(folder)) if (folder / PLAN).exists() else set()
            write_json(folder / PLAN, {"runs": sorted(map(list, there | set(runs)))})
    except Timeout as error:
        raise UserError(f"another program has held {folder / PLAN} for {PLAN_S:.0f} s; end it") from error


def planned(folder: Path) -> list[tuple[str, str]]:
    """Arms and seeds that a sweep was started with."""
    runs = read_json(folder / PLAN).get("runs")
    if not isinstance(runs, list) or not all(map(is_pair, runs)):
        raise UserError(f"{folder / PLAN} does not list the runs of a sweep; delete it")
    return [(arm, seed) for arm, seed in runs]


def is_pair(run: object) -> bool:
    """An arm and a seed, `s` and a number; no path that leads elsewhere."""
    if not isinstance(run, list) or len(run) != 2 or not all(isinstance(name, str) for name in run):
        return False
    return Path(run[0]).name == run[0] and bool(re.fullmatch(r"s\d+", run[1]))


def standings(folder: Path) -> list[Standing]:
    """Every run of a sweep, the base first; UserError if there is none."""
    runs = set(planned(folder)) if (folder / PLAN).exists() else set()
    if folder.is_dir():
        runs |= {(path.parent.name, path.name) for path in folder.glob("*/s*") if is_run(path)}
    if not runs:
        raise UserError(f"{folder} holds no sweep; name the folder of its arms, runs/NAME")
    ordered = sorted(runs, key=lambda run: (*rank(run[0]), int(run[1][1:])))
    return [Standing(arm, seed, folder / arm / seed, status(folder / arm / seed)) for arm, seed in ordered]


def rank(arm: str) -> tuple[int, str]:
    """Sorts arms by the number of their overrides: the base, to which the others add some, is first."""
    return (0 if arm == BASE else 1 + arm.count(","), arm)


def is_run(folder: Path) -> bool:
    return bool(re.fullmatch(r"s\d+", folder.name)) and (folder / status_of.NAME).exists()


def status(folder: Path) -> Status:
    """What the run says of itself, if that can still be true."""
    if not any((folder / name).exists() for name in BEGUN):
        return Status(WAITING)  # a launcher may have made the folder already
    found = status_of.read(folder)
    if found.state == "running" and not is_held(folder / LOCK):
        return Status(ENDED, "its process is gone; the same command continues it")
    return found


def line(found: Sequence[Standing]) -> str:
    """`7 arms x 5 seeds: 20 done, 1 running, 14 waiting`; runs are counted where arms differ in seeds."""
    arms, seeds = {each.arm for each in found}, {each.seed for each in found}
    counts = Counter(each.status.state for each in found)
    parts = [f"{counts[state]} {state}" for state in ORDER if counts[state]]
    if len(found) == len(arms) * len(seeds):
        return f"{_count(arms, 'arm')} x {_count(seeds, 'seed')}: {', '.join(parts)}"
    return f"{_count(arms, 'arm')}, {_count(found, 'run')}: {', '.join(parts)}"


def _count(things: Sized, name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def failures(found: Sequence[Standing]) -> list[str]:
    """One line for each failed run: where, and the last line of its error."""
    return [
        f"{each.folder.as_posix()}: {each.status.state}, {last_line(each.status.reason)}"
        for each in found
        if each.failed
    ]


def last_line(text: str) -> str:
    return next((part for part in reversed(text.splitlines()) if part.strip()), "no reason is known")
