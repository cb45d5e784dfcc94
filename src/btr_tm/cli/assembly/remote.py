"""Builds what collectors drive with and helpers learn with, in processes or on machines of their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from btr_tm.agent.learner import IqnLearner
from btr_tm.cli.assembly.parts import Parts, device_of
from btr_tm.cli.configuration.schema import Node
from btr_tm.core.protocols import Spec
from btr_tm.core.seeding import seed_globals, stream_seed
from btr_tm.run.beside import EvaluationParts
from btr_tm.run.evaluation_races import InlineRaces
from btr_tm.run.helper import MakeGroup
from btr_tm.run.remote.worker import WorkerParts


@dataclass(frozen=True)
class BuildWorker:
    """Environment and policy of one worker from the checked `values` of a run; picklable.

    Each worker and each generation has a seed of its own, made of the run's: other races every time.
    """

    values: Node
    workers: int

    def __call__(self, worker: int, generation: int) -> WorkerParts:
        # "life" is an old word for a generation; with another word every worker would draw other numbers.
        seed = stream_seed(self.values["seed"], f"collector {worker} life {generation}")
        seed_globals(seed)  # what a game draws by itself
        parts = Parts(self.values | {"seed": seed}, torch.device("cpu"))
        env = parts.worker_env(worker, self.workers)
        return WorkerParts(env, parts.policy(env), parts.clock)


@dataclass(frozen=True)
class BuildEvaluation:
    """Races and policy of an evaluation beside training from the checked `values` of a run; picklable."""

    values: Node

    def __call__(self) -> EvaluationParts:
        seed_globals(self.values["seed"])
        parts = Parts(self.values, device_of(self.values["device"]))
        races = InlineRaces(parts.evaluation_env, parts.eval_starts)
        return EvaluationParts(races, parts.policy(races.env))


@dataclass(frozen=True)
class BuildLearner:
    """The learner of a run from its checked `values`, without an environment; picklable."""

    values: Node
    spec: Spec

    def __call__(self, device: torch.device, group: MakeGroup) -> IqnLearner:
        seed_globals(self.values["seed"])
        parts = Parts(self.values, device)
        learner = parts.learner(parts.policy(self.spec), group)
        assert isinstance(learner, IqnLearner), type(learner)
        return learner
