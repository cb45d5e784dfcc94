"""A game whose every frame says where it comes from, so that tests can count what arrives."""

from __future__ import annotations

import math
import os
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from btr_tm.core.clock import Clock
from btr_tm.core.floats import FloatLayout
from btr_tm.core.protocols import Decision
from btr_tm.core.types import Obs, Races
from btr_tm.run.remote.processes import ProcessCollector
from btr_tm.run.remote.worker import WorkerParts

RACE = 7  # decisions
FLOATS = 4  # worker, generation, car, decision number of this car's generation


class CountingEnv:
    """Floats are worker, generation, car and its decisions so far; races end after RACE decisions."""

    name, layout, real_time = "a counter", FloatLayout.generic(FLOATS), False
    left = ""  # a folder in which a file says that it was closed

    def __init__(self, worker: int, generation: int, cars: int, trouble: str = "", after: int = 0) -> None:
        self.num_envs, self.device = cars, torch.device("cpu")
        self.worker, self.generation, self.trouble, self.after = worker, generation, trouble, after
        self.count = 0

    def _obs(self, count: int) -> Obs:
        floats = torch.zeros(self.num_envs, FLOATS)
        floats[:, 0], floats[:, 1] = self.worker, self.generation
        floats[:, 2], floats[:, 3] = torch.arange(self.num_envs), count
        return Obs(torch.full((self.num_envs, 1, 2, 2), count % 251, dtype=torch.uint8), floats)

    def reset(self, options: Any = None) -> tuple[Obs, dict[str, Any]]:
        return self._obs(0), {"potential": torch.zeros(self.num_envs)}

    def step(self, action: torch.Tensor) -> tuple[Obs, Any, Any, Any, dict[str, Any]]:
        self.count += 1
        self._misbehave()
        ends = torch.full((self.num_envs,), self.count % RACE == 0)
        final = self._obs(self.count)
        final = final._replace(floats=torch.where(ends[:, None], -final.floats, final.floats))
        reward = torch.full((self.num_envs,), float(self.count))
        if self.trouble == "gives NaN" and self.count >= self.after:
            reward[1] = math.nan
        info = {
            "final_obs": final,
            "final_potential": reward / 2,
            "potential": torch.where(ends, 0.0, reward / 2),
            "races": Races(ends, ends, torch.full_like(ends, 10, dtype=torch.int64), reward, ends, reward),
        }
        return self._obs(self.count), reward, ends, torch.zeros_like(ends), info

    def pause(self) -> None:
        pass

    def _misbehave(self) -> None:
        if self.generation or self.count < self.after:
            return
        if self.trouble == "dies":
            os._exit(1)
        if self.trouble == "hangs":
            time.sleep(3600)
        if self.trouble == "raises":
            raise RuntimeError("the game has crashed")
        if self.trouble == "slow":
            time.sleep(0.05)

    def close(self) -> None:
        if self.left:
            Path(self.left, f"{self.worker}_{self.generation}").touch()


class FirstWeight:
    """Acts out the first number of its weights, so that chunks tell which version drove them."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def unchanged(self):
        return nullcontext()

    def act(self, obs: Obs, explore: bool) -> Decision:
        cars = len(obs.floats)
        action = torch.full((cars,), int(next(iter(self.net.parameters())).flatten()[0]))
        return Decision(action, torch.ones(cars, dtype=torch.bool), torch.zeros(cars, 1))


@dataclass(frozen=True)
class Shape:
    """What collectors ask an environment for."""

    num_envs: int
    image_shape: tuple[int, ...] = (1, 2, 2)
    layout: Any = FloatLayout.generic(FLOATS)
    block: tuple[int, ...] = ()
    patience_s: float = 0.0


@dataclass(frozen=True)
class Game:
    """Picklable recipe."""

    cars: int = 3
    trouble: str = ""
    after: int = 0
    only: int = 0  # the worker that misbehaves
    left: str = ""

    def __call__(self, worker: int, generation: int) -> WorkerParts:
        trouble = self.trouble if worker == self.only else ""
        env = CountingEnv(worker, generation, self.cars, trouble, self.after)
        env.left = self.left
        return WorkerParts(env, FirstWeight(net()), Clock())


def processes(game: Game, cars: int, net: nn.Module, clock: Clock, **options: Any) -> ProcessCollector:
    """A collector of 2 workers and chunks of 5 decisions, unless `options` say otherwise."""
    usual = {"workers": 2, "decisions": 5, "slots": 4, "publish_every": 1, "stale_versions": 1000}
    usual |= {"stall_s": 60.0, "start_s": 300.0}
    return ProcessCollector(game, Shape(cars), net, clock, **(usual | options))


def net(size: int = 1000) -> nn.Module:
    module = nn.Linear(size, 1)
    nn.init.zeros_(module.weight)
    return module
