"""Finished laps as `.inputs` files, a folder per track; the record is the fastest that drives to its time."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from btr_tm.core.errors import UserError
from btr_tm.race.inputs_file import InputsFile
from btr_tm.report.redrive import Redriven, inputs_of, redrive_all
from btr_tm.sim.kernel_world import KernelWorld
from btr_tm.sim.track.ribbon import Track

TRIED = 8  # laps at once, from the fastest on: those of an older form of the track no longer finish


@dataclass(frozen=True)
class Records:
    """The laps on one track, below `folder`, which is made with the first one."""

    track: Track
    folder: Path

    def paths(self) -> list[Path]:
        """All laps, the fastest first: names begin with the time."""
        return sorted(self.folder.glob("*.inputs"))

    def best(self) -> Redriven | None:
        """The fastest lap, driven again; None if there is none."""
        paths = self.paths()
        for first in range(0, len(paths), TRIED):
            files = [read for path in paths[first : first + TRIED] if (read := _lap(path))]
            races = redrive_all(self.track, [file.actions for file in files], KernelWorld) if files else []
            kept = [
                race
                for file, race in zip(files, races, strict=True)
                if race.finished and race.time_ms == file.time_ms
            ]
            if kept:
                return min(kept, key=lambda race: race.time_ms)
        return None

    def save(self, race: Redriven) -> Path:
        """Write a finished lap; where."""
        assert race.finished, "only finished laps are kept"
        if self.track.source is not None:
            self.track.source.write(self.folder)  # so that the lap can be driven again anywhere
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._free_name(race.time_ms)
        inputs_of(self.track, race).write(path)
        return path

    def _free_name(self, time_ms: int) -> Path:
        stamp = f"{time_ms / 1000:07.2f}s_{datetime.datetime.now():%Y%m%d_%H%M%S}"
        names = (stamp, *(f"{stamp}_{number}" for number in range(2, 100)))
        paths = (self.folder / f"{name}.inputs" for name in names)
        return next(path for path in paths if not path.exists())


def _lap(path: Path) -> InputsFile | None:
    """A lap; None for a file of another kind that somebody has put there."""
    try:
        file = InputsFile.read(path)
    except UserError:
        return None
    return file if file.time_ms else None
