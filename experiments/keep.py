"""Keeps of a sweep what reports read: record, manifest, summary and best race of every run that has ended.

    python experiments/keep.py runs/NAME experiments/NAME/records

The record loses the statistics of single layers, which are four fifths of it; the manifest the runs_dir
and what else is a path of the machine.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from btr_tm.core.files import read_json, write_atomic
from btr_tm.metrics.sinks.jsonl import read_record

HERE = re.compile(r"^((?:init_from=|demos=)?'?)(/[^',]+)")  # an absolute path, alone or typed
INPUTS = Path("best") / "race.inputs"
OF_LAYERS = ("optimizer/", "gradients/", "weights/", "spectral/")


def keep(run: Path, folder: Path) -> None:
    """Copy one run."""
    rows = [
        {name: value for name, value in row.items() if not name.startswith(OF_LAYERS)}
        for row in read_record(run / "record.jsonl")
    ]
    manifest = read_json(run / "manifest.json")
    for session in manifest["sessions"]:
        session["overrides"] = [word for word in session["overrides"] if not word.startswith("runs_dir=")]
    manifest = portable(manifest)
    manifest["packages"] = {name: version.split("+")[0] for name, version in manifest["packages"].items()}
    (folder / "best").mkdir(parents=True, exist_ok=True)
    if (run / INPUTS).exists():
        write_atomic(folder / INPUTS, (run / INPUTS).read_bytes())
    write_atomic(folder / "record.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows).encode())
    for name, content in (("manifest.json", manifest), ("summary.json", read_json(run / "summary.json"))):
        write_atomic(folder / name, f"{json.dumps(content, indent=1)}\n".encode())


def portable(value: Any) -> Any:
    """Files and run folders of this machine by their last parts: `driver.safetensors`, `clone/s20`."""
    if isinstance(value, dict):
        return {key: portable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [portable(each) for each in value]
    return HERE.sub(lambda found: shortened(found[2], found[1]), value) if isinstance(value, str) else value


def shortened(path: str, before: str) -> str:
    parts = Path(path).parts
    return before + "/".join(parts[-1:] if Path(path).suffix else parts[-2:])


def main(sweep: Path, records: Path) -> None:
    """Copy every run that has ended and is not there yet."""
    ended = sorted(path.parent for path in sweep.glob("*/s*/summary.json"))
    new = [run for run in ended if not (records / run.parent.name / run.name / "summary.json").exists()]
    for run in new:
        keep(run, records / run.parent.name / run.name)
    print(f"{len(new)} runs added to {records}, {len(ended)} are there")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
