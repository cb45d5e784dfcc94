"""Records that were kept alone, one file a run: btr_s0.jsonl, btr_s1.jsonl, ... are the arm `btr`."""

from __future__ import annotations

import re
from pathlib import Path

from btr_tm.report.arms import Seed, rows_of
from btr_tm.report.sources.source import Places
from btr_tm.run.sweep import rank

RECORD = re.compile(r"(.+)_s(\d+)\.jsonl")


class RecordFiles:
    """A folder of such files, one arm of it (FOLDER/btr), or one file."""

    def find(self, path: Path) -> Places:
        wanted = [path] if path.is_file() else list((path if path.is_dir() else path.parent).glob("*.jsonl"))
        named = [(match, file) for file in wanted if (match := RECORD.fullmatch(file.name))]
        if not path.exists():
            named = [(match, file) for match, file in named if match[1] == path.name]
        named.sort(key=lambda each: (*rank(each[0][1]), int(each[0][2])))
        arms: Places = {}
        for match, file in named:
            arms.setdefault(file.stem if path.is_file() else match[1], []).append(file)
        return arms

    def read(self, place: Path) -> Seed:
        match = RECORD.fullmatch(place.name)
        assert match, place
        manifest = {"run_id": place.stem, "seed": int(match[2]), "config": {}, "sessions": []}
        return Seed(place, rows_of(place), manifest, True)
