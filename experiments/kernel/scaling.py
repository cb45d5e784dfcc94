"""Decisions per second of CPU time over 1 to 4,096 cars, on one thread: writes scaling.json.

OMP_NUM_THREADS=1 python experiments/kernel/scaling.py
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from measure import WAYS, simulator, timed

from btr_tm.benchmarks.machine import machine
from btr_tm.core.files import write_atomic

CARS, ROUNDS, SECONDS = (1, 4, 16, 64, 256, 1024, 4096), 3, 0.1
# Eager pictures of more cars at once take gigabytes.
MOST = {("eager", (64, 64)): 256}
HERE = Path(__file__).parent


def measure(cars: int, image: tuple[int, int]) -> list[dict[str, object]]:
    """Every way that can be had, in turns: CPU milliseconds of a decision of all cars."""
    ways = [way for way in WAYS if cars <= MOST.get((way, image), CARS[-1])]
    envs = {way: simulator(cars, image, way) for way in ways}
    times: dict[str, list[float]] = {way: [] for way in ways}
    actions = {}
    for way, env in envs.items():
        timed(env, torch.randint(env.actions, (2, cars)))  # which compiles
        begin = time.process_time()
        timed(env, torch.randint(env.actions, (1, cars)))
        count = max(1, int(SECONDS / (time.process_time() - begin)))
        actions[way] = torch.randint(env.actions, (count, cars))
    for _ in range(ROUNDS):
        for way, env in envs.items():
            times[way].append(timed(env, actions[way]))
    return [{"way": way, "image": image, "cars": cars, "ms": times[way]} for way in ways]


def main() -> None:
    here = machine()
    results = [point for image in ((64, 64), (0, 0)) for cars in CARS for point in measure(cars, image)]
    text = json.dumps({"machine": here, "results": results}, indent=1)
    write_atomic(HERE / "scaling.json", f"{text}\n".encode())


if __name__ == "__main__":
    main()
