"""Folders of runs, as training writes them or as an experiment keeps them.

A kept run needs only record.jsonl, manifest.json and summary.json.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from btr_tm.core.errors import UserError
from btr_tm.report.arms import SEED, Seed, read_seed
from btr_tm.report.sources.source import Places, by_number, label_of
from btr_tm.run.sweep import rank

FILES = ("record.jsonl", "manifest.json")


class RunFolders:
    """One run; an arm of runs s0, s1, ...; or a sweep of such arms."""

    def find(self, path: Path) -> Places:
        if _is_run(path):
            return {label_of(path): [path]}
        arms = {folder for folder in [path, *_folders(path)] if any(map(_is_run, _seeds(folder)))}
        if not arms:
            _refuse_sweeps(path)
        found = [path] if path in arms else sorted(arms, key=lambda folder: rank(folder.name))
        return {label_of(folder): _seeds(folder) for folder in found}

    def read(self, place: Path) -> Seed:
        return read_seed(place)


def _refuse_sweeps(path: Path) -> None:
    """UserError where sweeps lie below: their arms may have one name."""
    below = (each for each in _folders(path) if any(map(_is_run, chain(*map(_seeds, _folders(each))))))
    names = sorted(each.as_posix() for each in below)
    if names:
        raise UserError(f"it holds sweeps; name one of them: {', '.join(names)}")


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in FILES)


def _folders(path: Path) -> list[Path]:
    return [each for each in path.iterdir() if each.is_dir()] if path.is_dir() else []


def _seeds(folder: Path) -> list[Path]:
    return sorted((each for each in _folders(folder) if SEED.fullmatch(each.name)), key=by_number)
