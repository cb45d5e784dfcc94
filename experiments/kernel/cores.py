"""Decisions per second of wall time with one thread and with two, on every track: writes cores.json.

Two idle cores are needed:

    OMP_NUM_THREADS=2 python experiments/kernel/cores.py
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
from btr_tm.sim.track.load import load_track

TRACKS = ("a01", "dirt_and_turbo", "hills", "oval", "s_bends")
SIZES = ((256, (64, 64)), (4096, (0, 0)))  # cars, image
THREADS, ROUNDS, DECISIONS = (1, 2), 7, 40
HERE = Path(__file__).parent


def measure(track: str, cars: int, image: tuple[int, int]) -> list[dict[str, object]]:
    """With each number of threads, in turns: milliseconds of a decision of all cars."""
    env = plain_simulator(load_track(track), cars, image, start_pool=64, compile="kernel")
    env.reset(seed=0)
    actions = torch.randint(env.actions, (DECISIONS, cars))
    times: dict[int, list[float]] = {threads: [] for threads in THREADS}
    for number in range(ROUNDS + 1):  # the first is warm-up
        for threads in THREADS:
            torch.set_num_threads(threads)
            begin = time.perf_counter()
            for action in actions:
                env.step(action)
            if number:
                times[threads].append(1000 * (time.perf_counter() - begin) / DECISIONS)
    place = {"track": track, "cars": cars, "image": image}
    return [{**place, "threads": threads, "ms": ms} for threads, ms in times.items()]


def main() -> None:
    here = machine()
    results = [row for track in TRACKS for size in SIZES for row in measure(track, *size)]
    text = json.dumps({"machine": here, "results": results}, indent=1)
    write_atomic(HERE / "cores.json", f"{text}\n".encode())


if __name__ == "__main__":
    main()
