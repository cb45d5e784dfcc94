"""What the simulator's kernels are worth on a CPU, by number of cars.

    OMP_NUM_THREADS=1 python experiments/kernel/measure.py

Writes kernel.json, of which `make report` makes the table; both ways are measured in turns in this process.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from btr_tm.benchmarks.machine import machine
from btr_tm.core.files import write_atomic
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.sim.track.load import load_track

CARS, IMAGES, ROUNDS = (1, 8, 64, 256), ((64, 64), (0, 0)), 11
DECISIONS = {1: 60, 8: 40, 64: 20, 256: 8}
WAYS = ("eager", "kernel")
HERE = Path(__file__).parent


def simulator(cars: int, image: tuple[int, int], way: str) -> SimVectorEnv:
    env = plain_simulator(load_track("hills"), cars, image, start_pool=64, compile=way)
    env.reset(seed=0)
    return env


def timed(env: SimVectorEnv, actions: torch.Tensor) -> float:
    """CPU milliseconds of a decision."""
    begin = time.process_time()
    for action in actions:
        env.step(action)
    return 1000 * (time.process_time() - begin) / len(actions)


def measure(cars: int, image: tuple[int, int]) -> dict[str, list[float]]:
    """CPU milliseconds of a decision of all cars, every repetition."""
    envs = {way: simulator(cars, image, way) for way in WAYS}
    actions = torch.randint(envs["eager"].actions, (DECISIONS[cars], cars))
    for env in envs.values():
        timed(env, actions[:2])  # which compiles and records
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way, env in envs.items():
            times[way].append(timed(env, actions))
    return times


def main() -> None:
    results = {(cars, image): measure(cars, image) for image in IMAGES for cars in CARS}
    ms = [{"cars": cars, "image": image, "ms": times} for (cars, image), times in results.items()]
    write_atomic(
        HERE / "kernel.json", (json.dumps({"machine": machine(), "results": ms}, indent=1) + "\n").encode()
    )


if __name__ == "__main__":
    main()
