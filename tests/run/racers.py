"""Picklable drivers for evaluations in another process."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from btr_tm.core.errors import UserError
from btr_tm.core.protocols import Decision
from btr_tm.run.beside import EvaluationParts
from btr_tm.run.evaluation_races import InlineRaces

from .conftest import FakeEnv


class ByWeight:
    """Drives 1 m where its weight is 1, half of that where it is 0."""

    def __init__(self, weight: float = 1.0) -> None:
        self.net = nn.Linear(1, 1, bias=False)
        self.set(weight)

    def set(self, weight: float) -> None:
        nn.init.constant_(self.net.weight, weight)

    def unchanged(self):
        return nullcontext()

    def act(self, obs, explore: bool) -> Decision:
        assert not explore
        action = torch.full((len(obs.floats),), int(self.net.weight.item()))
        return Decision(action, action == action, torch.full((len(obs.floats), 2), 3.0))


class Broken(FakeEnv):
    """Ends its process, or raises, in the third decision."""

    trouble = left = ""
    slow_s = 0.0

    def close(self):
        if self.left:
            Path(self.left).touch()

    def step(self, action):
        if self.slow_s:
            Path(f"{self.left}.begun").touch()
            time.sleep(self.slow_s)
        if int(self.ticks[0]) == 10 and self.trouble == "dies":
            os._exit(3)
        if int(self.ticks[0]) == 10 and self.trouble:
            raise (UserError("the game is gone") if self.trouble == "refuses" else ValueError("a bug"))
        return super().step(action)


@dataclass(frozen=True)
class Build:
    """Five races of FakeEnv."""

    trouble: str = ""
    left: str = ""  # a file that is there once the game was let go of; another one when it is driven
    slow_s: float = 0.0  # a decision

    def __call__(self) -> EvaluationParts:
        races = InlineRaces(Broken, 4)
        races.env.trouble, races.env.left, races.env.slow_s = self.trouble, self.left, self.slow_s
        return EvaluationParts(races, ByWeight(0.0))
