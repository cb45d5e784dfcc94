"""Small deterministic stand-ins that follow the contracts of environment, replay and learner."""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple

import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.floats import FloatLayout
from btr_tm.core.protocols import Decision
from btr_tm.core.types import Batch, Obs, Races
from btr_tm.run.collector import InlineCollector
from btr_tm.run.evaluate import Evaluator
from btr_tm.run.evaluation_races import InlineRaces
from btr_tm.run.plan import Plan
from btr_tm.run.run import Run

TRACK_M = 20.0


class FakeEnv:
    """Cars on a line: action 1 drives 1 m, action 0 half; the race ends at 20 m or after 60 decisions."""

    can_shrink = real_time = False
    name, device, layout = "a line", torch.device("cpu"), FloatLayout.generic(1)

    def __init__(self, cars: int, seed: int = 0) -> None:
        self.num_envs = cars
        self.generator = torch.Generator().manual_seed(seed)
        self.autoreset = True
        self.closed = False

    def reset(self, seed=None, options=None):
        self.autoreset = options["start"] == "training"
        self.metres = torch.zeros(self.num_envs)
        if not self.autoreset:
            self.metres = -torch.arange(self.num_envs) / 10.0
        self.ticks = torch.zeros(self.num_envs, dtype=torch.int64)
        self.over = torch.zeros(self.num_envs, dtype=torch.bool)
        return self._obs(), {"potential": self.metres.clone()}

    def pause(self) -> None:
        pass

    def _obs(self) -> Obs:
        return Obs(torch.zeros(self.num_envs, 1, 0, 0, dtype=torch.uint8), self.metres[:, None].clone())

    def step(self, action):
        noise = torch.rand(self.num_envs, generator=self.generator) * 0.01 if self.autoreset else 0.0
        before = self.metres
        self.metres = torch.where(self.over, before, before + 0.5 + 0.5 * (action == 1) + noise)
        self.ticks = torch.where(self.over, self.ticks, self.ticks + 5)
        terminated = (self.metres >= TRACK_M) & ~self.over
        truncated = (self.ticks >= 300) & ~terminated & ~self.over
        done = terminated | truncated
        reward = self.metres - before
        final, potential = self._obs(), self.metres.clone()
        from_start = torch.ones_like(done)
        races = Races(done, terminated, self.ticks * 10, self.metres.clamp(min=0.0), from_start, self.metres)
        if self.autoreset:
            self.metres = torch.where(done, 0.0, self.metres)
            self.ticks = torch.where(done, 0, self.ticks)
        else:
            self.over = self.over | done
        info = {"final_obs": final, "final_potential": potential, "potential": self.metres.clone()}
        return self._obs(), reward, terminated, truncated, info | {"races": races}

    def state_dict(self):
        return {"metres": self.metres, "ticks": self.ticks, "generator": self.generator.get_state()}

    def load_state_dict(self, state):
        self.metres, self.ticks = state["metres"], state["ticks"]
        self.generator.set_state(state["generator"])

    def close(self) -> None:
        self.closed = True


class FakeReplay:
    """Keeps everything; a save writes one file, never the same one twice."""

    def __init__(self, seed: int = 0) -> None:
        self.rows: list[torch.Tensor] = []
        self.generator = torch.Generator().manual_seed(seed)
        self.pruned: list = []

    def __len__(self) -> int:
        return sum(len(row) for row in self.rows)

    def add(self, transition, cars=slice(None)) -> None:
        self.rows.append(torch.stack([transition.obs.floats[:, 0], transition.reward], 1))

    def sample(self, batch_size: int) -> Batch:
        data = torch.cat(self.rows)
        index = torch.randint(len(data), (batch_size,), generator=self.generator)
        obs = Obs(torch.zeros(batch_size, 1, 0, 0, dtype=torch.uint8), data[index, :1])
        ones = torch.ones(batch_size)
        return Batch(obs, ones.long(), data[index, 1], ones, obs, ones, index)

    def sample_test(self, batch_size: int) -> Batch:
        obs = Obs(torch.zeros(batch_size, 1, 0, 0, dtype=torch.uint8), torch.ones(batch_size, 1))
        ones = torch.ones(batch_size)
        return Batch(obs, ones.long(), 2 * ones, ones, obs, ones, ones.long())

    def update_priorities(self, index, priority) -> None:
        assert index.shape == priority.shape

    def save(self, folder):
        name = f"segment_{len(self.rows):06d}.pt"
        self.last = folder / name
        torch.save(torch.stack(self.rows), self.last)
        return {"segment": name, "generator": self.generator.get_state()}

    def undo_save(self) -> None:
        self.last.unlink()

    def load(self, folder, manifest) -> None:
        self.rows = list(torch.load(folder / manifest["segment"], weights_only=True))
        self.generator.set_state(manifest["generator"])

    def prune(self, folder, manifests) -> None:
        keep = {manifest["segment"] for manifest in manifests}
        for path in folder.glob("segment_*.pt"):
            if path.name not in keep:
                path.unlink()


class FakePolicy:
    """Action 1 with a probability that the learner raises; always 1 without exploration."""

    def __init__(self, weight: torch.nn.Parameter, seed: int) -> None:
        self.weight = weight
        self.generator = torch.Generator().manual_seed(seed)

    def unchanged(self):
        return nullcontext()

    def act(self, obs, explore: bool) -> Decision:
        cars = len(obs.floats)
        q = torch.stack([torch.zeros(cars), self.weight.detach().expand(cars)], 1)
        action = torch.ones(cars, dtype=torch.int64)
        if explore:
            action = (torch.rand(cars, generator=self.generator) < torch.sigmoid(self.weight)).long()
        return Decision(action, action == 1, q)


class Update(NamedTuple):
    metrics: dict
    priority: torch.Tensor


class FakeLearner:
    def __init__(self, seed: int = 0) -> None:
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.optimizer = torch.optim.Adam([self.weight], lr=0.1)
        self.policy = self.driver = FakePolicy(self.weight, seed)
        self.poison_at = -1
        self.extra_uses = 0
        self.updates = 0

    def update(self, batch) -> Update:
        loss = (self.weight - batch.reward).pow(2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.updates += 1
        loss = loss.detach() * (float("nan") if self.updates == self.poison_at else 1.0)
        return Update({"loss": loss, "q_mean": self.weight.detach()}, batch.reward.abs())

    def evaluate(self, batch) -> dict:
        return {"loss": (self.weight.detach() - batch.reward).pow(2).mean()}

    def close(self) -> None:
        pass

    def state_dict(self):
        generator = self.policy.generator.get_state()
        weight = self.weight.detach().clone()
        return {"weight": weight, "optimizer": self.optimizer.state_dict(), "generator": generator}

    def load_state_dict(self, state) -> None:
        self.weight.data.copy_(state["weight"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.policy.generator.set_state(state["generator"])


def build_run(folder, total=2000, save_every=400, **kwargs) -> Run:
    clock = Clock()
    return Run(
        folder=folder,
        collector=InlineCollector(FakeEnv(8), 1),
        replay=FakeReplay(),
        learner=FakeLearner(),
        evaluator=Evaluator(InlineRaces(FakeEnv, 4), clock, track_m=TRACK_M, author_time_s=0.9),
        clock=clock,
        plan=Plan(total, 16, 32, 200, log_every=100, eval_every=500, save_every=save_every),
        **kwargs,
    )


@pytest.fixture
def build():
    """Factory `build(folder, total=..., save_every=...)` of a Run made of stand-ins."""
    return build_run


@pytest.fixture
def fake_env():
    return FakeEnv
