"""Runs as training leaves them, with the evaluations that a test asks for."""

from __future__ import annotations

import json
import struct
from pathlib import Path

EVERY = 1000  # frames between two evaluations
CLIMB = (0.0, 0.5, 1.0)  # progress and finish rate, evaluation by evaluation


def write_run(
    folder: Path, seed=0, heights=CLIMB, times=(None, None, 25.0), start=1, cpu=2.0, gamma=0.99, more=None
):
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
    config = {"gamma": gamma, "seed": seed, "profile": {"total_frames": 3000}} | (more or {})
    manifest = {"run_id": f"{seed}", "seed": seed, "config": config, "sessions": [{"commit": "abc"}]}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "summary.json").write_text("{}", encoding="utf-8")


def timed(time_s):
    return {"eval/canonical_time_s": time_s, "eval/author_ratio": time_s / 23.45}


def write_arm(folder: Path, heights=(CLIMB, CLIMB), **rest) -> str:
    for seed, each in enumerate(heights):
        write_run(folder / f"s{seed}", seed, each, **rest)
    return str(folder)


def wandb_file(rows: list[dict], name: str, exit_code: int = 0) -> bytes:
    """A run as wandb itself writes it, one row a minute."""
    from wandb.proto.wandb_internal_pb2 import HistoryItem, Record

    run, end = Record(), Record()
    run.run.run_id, run.run.display_name = name.replace("/", "-"), name
    for key, value in {"gamma": 0.99, "seed": 3, "track": {"name_or_path": "a01"}, "_wandb": {}}.items():
        run.run.config.update.add(key=key, value_json=json.dumps(value))
    end.exit.exit_code = exit_code
    logged = [Record() for _ in rows]
    for step, (record, row) in enumerate(zip(logged, rows, strict=True)):
        every = row | {"_step": step, "_timestamp": 1e6 + 60 * step, "_runtime": 60.0 * step}
        record.history.item.extend(HistoryItem(key=k, value_json=json.dumps(v)) for k, v in every.items())
    data = b":W&B" + bytes(3)
    for record in (run, *logged, end):
        data += framed(record.SerializeToString(), len(data))
    return data


def framed(record: bytes, at: int) -> bytes:
    """A record in the log format of LevelDB: no part crosses the end of a block of 32 KiB."""
    found, first = b"", True
    kinds = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}  # first, last
    while first or record:
        left = 32768 - (at + len(found)) % 32768
        if left < 7:
            found += bytes(left)
            continue
        part, record = record[: left - 7], record[left - 7 :]
        found += struct.pack("<IHB", 0, len(part), kinds[first, not record]) + part
        first = False
    return found
