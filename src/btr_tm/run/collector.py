"""Driving in the process that learns: the environment steps between two updates."""

from __future__ import annotations

import torch

from btr_tm.core.protocols import Actor, DrivingEnv
from btr_tm.core.types import Chunk, Obs, Races, StateDict, Transition
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.run.finite import FiniteCheck


class InlineCollector:
    """Drives every car of `env` for `decisions_per_collect` decisions a call."""

    acts_with_learner = True  # with its network itself, not with a copy

    def __init__(self, env: DrivingEnv, decisions_per_collect: int) -> None:
        self.env = env
        self.decisions = decisions_per_collect
        self.watch = Stopwatch()
        self._obs, info = env.reset(options={"start": "training"})
        self._potential = info["potential"]
        self._check = FiniteCheck(env)

    @torch.no_grad()
    def collect(self, policy: Actor) -> Chunk:
        transitions: list[Transition] = []
        races: list[Races] = []
        for _ in range(self.decisions):
            transition, finished = self._decide(policy)
            transitions.append(transition)
            races.append(finished)
        return Chunk(transitions, races, self.decisions * self.env.num_envs)

    def _decide(self, policy: Actor) -> tuple[Transition, Races]:
        with self.watch("acting"):
            decision = policy.act(self._obs, explore=True)
        with self.watch("simulator"):
            obs, reward, terminated, truncated, info = self.env.step(decision.action)
            self._check(obs, reward, info)
        transition = Transition(
            obs=self._obs,
            action=decision.action,
            greedy=decision.greedy,
            reward=reward,
            potential=self._potential,
            next_obs=info["final_obs"],
            next_potential=info["final_potential"],
            terminated=terminated,
            truncated=truncated,
        )
        self._obs, self._potential = obs, info["potential"]
        return transition, info["races"]

    def state_dict(self) -> StateDict:
        return {"env": self.env.state_dict(), "obs": tuple(self._obs), "potential": self._potential}

    def load_state_dict(self, state: StateDict) -> None:
        device = self._obs.floats.device
        self.env.load_state_dict(state["env"])
        self._obs = Obs(*(part.to(device) for part in state["obs"]))
        self._potential = state["potential"].to(device)

    def close(self) -> None:
        self.env.close()
