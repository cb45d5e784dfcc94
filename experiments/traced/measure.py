"""What replaying the simulator without Python is worth, by number of cars.

    OMP_NUM_THREADS=1 python experiments/traced/measure.py

Prints a table and writes it to this folder; both ways are measured in turns in this process.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from btr_tm.benchmarks.machine import machine
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.sim.track.load import load_track

CARS, IMAGE, ROUNDS, DECISIONS = (1, 8, 33, 64, 256), (40, 40), 11, 20
WAYS = ("eager", "traced")
HERE = Path(__file__).parent


def simulator(cars: int, way: str) -> SimVectorEnv:
    env = plain_simulator(load_track("a01"), cars, IMAGE, start_pool=64, compile=way)
    env.reset(seed=0)
    return env


def timed(env: SimVectorEnv, actions: torch.Tensor) -> float:
    """CPU milliseconds of a decision."""
    begin = time.process_time()
    for action in actions:
        env.step(action)
    return 1000 * (time.process_time() - begin) / len(actions)


def measure(cars: int) -> dict[str, list[float]]:
    """CPU milliseconds of a decision of all cars, every repetition; the first call, which records, apart."""
    envs = {way: simulator(cars, way) for way in WAYS}
    actions = torch.randint(envs["eager"].actions, (DECISIONS, cars))
    first = {f"{way}, first": [timed(env, actions[:1])] for way, env in envs.items()}
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way, env in envs.items():
            times[way].append(timed(env, actions))
    return times | first


def main() -> None:
    results = {cars: measure(cars) for cars in CARS}
    lines = ["| cars | eager, CPU ms | traced | ratio | first traced |", "|---:|---:|---:|---:|---:|"]
    for cars, times in results.items():
        eager, traced = (statistics.median(times[way]) for way in WAYS)
        ratio = statistics.median(a / b for a, b in zip(times["traced"], times["eager"], strict=True))
        first = times["traced, first"][0]
        lines.append(f"| {cars} | {eager:.1f} | {traced:.1f} | {ratio:.2f} | {first:.0f} |")
    print("\n".join(lines))
    record = {"machine": machine(), "ms": results}
    (HERE / "traced.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (HERE / "traced.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
