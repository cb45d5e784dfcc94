"""Driving in the process that learns: the environment steps between two updates."""

from __future__ import annotations

import torch

from btr_tm.core.errors import RaceLost, UserError
from btr_tm.core.protocols import Actor, DrivingEnv
from btr_tm.core.types import Chunk, Obs, Races, StateDict, Transition
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.run.finite import FiniteCheck

MOST_LOST = 10  # races in one chunk: the game will not get better


class InlineCollector:
    """Drives every car of `env` for `decisions_per_collect` decisions a call.

    The decisions of a race that the game lost are driven again in another one.
    """

    acts_with_learner = True  # with its network itself, not with a copy

    def __init__(self, env: DrivingEnv, decisions_per_collect: int) -> None:
        self.env = env
        self.decisions = decisions_per_collect
        self.watch = Stopwatch()
        self.lost_races = 0
        self._begin()
        self._check = FiniteCheck(env)

    def _begin(self) -> None:
        self._obs, info = self.env.reset(options={"start": "training"})
        self._potential = info["potential"]

    @torch.no_grad()
    def collect(self, policy: Actor) -> Chunk:
        driven: list[tuple[Transition, Races]] = []
        lost: list[slice] = []
        losses = 0
        while len(driven) < self.decisions:
            try:
                driven.append(self._decide(policy))
            except RaceLost as error:
                losses += 1
                self._begin_after(error, losses)
                del driven[_ended(driven) :]
                if not driven:  # the race began in an earlier chunk
                    lost = [slice(None)]
        metrics = {"lost_races": float(self.lost_races)} if self.lost_races else {}
        transitions, races = [step for step, _ in driven], [race for _, race in driven]
        return Chunk(transitions, races, self.decisions * self.env.num_envs, lost=lost, metrics=metrics)

    def _begin_after(self, error: RaceLost, losses: int) -> None:
        """A new race, unless the game loses one after the other."""
        self.lost_races += 1
        if losses == MOST_LOST:
            raise UserError(f"{losses} races were lost within {self.decisions} decisions: {error}") from error
        self._begin()

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
        seen = {"obs": tuple(self._obs), "potential": self._potential}
        return {"env": self.env.state_dict(), "lost_races": self.lost_races, **seen}

    def load_state_dict(self, state: StateDict) -> None:
        device = self._obs.floats.device
        self.env.load_state_dict(state["env"])
        self.lost_races = state["lost_races"]
        self._obs = Obs(*(part.to(device) for part in state["obs"]))
        self._potential = state["potential"].to(device)

    def close(self) -> None:
        self.env.close()


class IdleCollector:
    """Drives nothing: a decision of every car passes with each call, so that learning keeps its clock."""

    acts_with_learner = True
    drives_nothing = True

    def __init__(self, env: DrivingEnv) -> None:
        self.env, self.watch = env, Stopwatch()

    def collect(self, policy: Actor) -> Chunk:
        return Chunk([], [], self.env.num_envs)

    def state_dict(self) -> StateDict:
        return {}

    def load_state_dict(self, state: StateDict) -> None:
        """There is nothing to restore."""

    def close(self) -> None:
        self.env.close()


def _ended(driven: list[tuple[Transition, Races]]) -> int:
    """How many decisions belong to races that have ended; a game that can lose a race has a single car."""
    ends = [number for number, (_, races) in enumerate(driven, start=1) if bool(races.done.all())]
    return ends[-1] if ends else 0
