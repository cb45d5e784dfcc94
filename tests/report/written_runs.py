"""Runs as training leaves them, with the evaluations that a test asks for."""

from __future__ import annotations

import json
from pathlib import Path

EVERY = 1000  # frames between two evaluations
CLIMB = (0.0, 0.5, 1.0)  # progress and finish rate, evaluation by evaluation


def write_run(folder: Path, seed=0, heights=CLIMB, times=(None, None, 25.0), start=1, cpu=2.0, gamma=0.99):
    """A run whose evaluations have these heights and canonical times, with rows of training between them."""
    folder.mkdir(parents=True)
    rows = []
    for i, (height, time_s) in enumerate(zip(heights, times, strict=True), start):
        rows.append({"frames": i * EVERY - 500, "race/races": 1.0})
        row = {"frames": i * EVERY, "eval/progress_mean": height, "eval/finish_rate": height}
        rows.append(row if time_s is None else row | timed(time_s))
    for row in rows:
        row |= {"wall_s": row["frames"] * cpu / EVERY * 2, "cpu_s": row["frames"] * cpu / EVERY}
    (folder / "record.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = {"gamma": gamma, "seed": seed, "profile": {"total_frames": 3000}}
    manifest = {"run_id": f"{seed}", "seed": seed, "config": config, "sessions": [{"commit": "abc"}]}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "summary.json").write_text("{}", encoding="utf-8")


def timed(time_s):
    return {"eval/canonical_time_s": time_s, "eval/author_ratio": time_s / 23.45}


def write_arm(folder: Path, heights=(CLIMB, CLIMB), **rest) -> str:
    for seed, each in enumerate(heights):
        write_run(folder / f"s{seed}", seed, each, **rest)
    return str(folder)
