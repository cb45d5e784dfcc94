"""Builds what collectors drive with and helpers learn with, in processes or on machines of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from btr_tm.agent.learner import Learner
from btr_tm.cli.assembly.parts import Parts
from btr_tm.cli.configuration.schema import Node
from btr_tm.core.block import Block
from btr_tm.core.floats import FloatLayout
from btr_tm.core.seeding import seed_globals, stream_seed
from btr_tm.run.helper import MakeTeam
from btr_tm.run.remote.worker import Driver


@dataclass(frozen=True)
class BuildDriver:
    """Environment and policy of one worker from the checked `values` of a run; picklable.

    The seed follows from the run's, the worker and its life: a worker that replaces another drives anew.
    """

    values: Node
    workers: int

    def __call__(self, worker: int, life: int) -> Driver:
        seed = stream_seed(self.values["seed"], f"collector {worker} life {life}")
        seed_globals(seed)  # what a game draws by itself
        parts = Parts(self.values | {"seed": seed}, torch.device("cpu"))
        env = parts.env(parts.profile["cars"] // self.workers)
        return Driver(env, parts.policy(env), parts.clock)


class Looks(NamedTuple):
    """What a network has to know of an environment."""

    image_shape: tuple[int, int, int]
    layout: FloatLayout
    actions: int
    block: Block


@dataclass(frozen=True)
class BuildLearner:
    """The learner of a run from its checked `values`, without an environment; picklable."""

    values: Node
    looks: Looks

    def __call__(self, device: torch.device, team: MakeTeam) -> Learner:
        seed_globals(self.values["seed"])
        parts = Parts(self.values, device)
        return parts.learner(parts.policy(self.looks), team)
