"""What every source of runs does."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from btr_tm.report.arms import SEED, Seed

Places = dict[str, list[Path]]


class Source(Protocol):
    """Finds runs below a path, and reads one of them."""

    def find(self, path: Path) -> Places:
        """Arms by label, the base first, each with the places of its runs; empty where it knows nothing."""
        ...

    def read(self, place: Path) -> Seed:
        """One run; UserErrors say what is missing or broken."""
        ...


def by_number(folder: Path) -> int:
    """Sorts s2 before s10."""
    return int(folder.name[1:])


def label_of(folder: Path) -> str:
    """`base`; `base/s0` for a single run."""
    parts = folder.resolve().parts[-2:]
    return "/".join(parts if SEED.fullmatch(parts[-1]) else parts[-1:])
