"""Builds what a collector drives with, in a process or on a machine of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from btr_tm.cli.parts import Parts
from btr_tm.core.seeding import seed_globals, stream_seed
from btr_tm.run.remote.worker import Driver


@dataclass(frozen=True)
class BuildDriver:
    """Environment and policy of one worker from the checked `values` of a run; picklable.

    The seed follows from the run's, the worker and its life: a worker that replaces another drives anew.
    """

    values: dict[str, Any]
    workers: int

    def __call__(self, worker: int, life: int) -> Driver:
        seed = stream_seed(self.values["seed"], f"collector {worker} life {life}")
        seed_globals(seed)  # what a game draws by itself
        parts = Parts(self.values | {"seed": seed}, torch.device("cpu"))
        env = parts.env(parts.profile["cars"] // self.workers)
        return Driver(env, parts.policy(env), parts.clock)
