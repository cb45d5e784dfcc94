"""Gymnasium environments with discrete actions, for tasks other than racing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from gymnasium.wrappers import TimeLimit
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.core.protocols import ResetInfo, StepInfo
from btr_tm.core.types import JsonObject, Obs, Races, StateDict
from btr_tm.envs.contract import TensorVectorEnv, checked_actions, early_step, start_of
from btr_tm.envs.game import Game, Images, NoImages, has_limit, make

EVALUATION_SEED = 2**32 - 1  # shared by all runs; training seeds are smaller
DEFAULT_FPS = 50


class GymnasiumVectorEnv(TensorVectorEnv):
    """`cars` copies of the environment `id`, one after the other in this process, under SAME_STEP autoreset.

    Every episode has a seed of its own, made from run seed, car and episode number. In `Races`, `progress_m`
    is the return so far, `time_ms` counts steps at the frame rate the environment states, and an episode is
    finished when its return reached the environment's reward threshold (LunarLander-v3: 200, CarRacing-v3:
    900) or, where there is none, when it ended by itself. A picture observed is the image; floats remain only
    where the observation is a Dict with `image` and `floats`. An episode of an environment that states no
    limit is truncated after `longest_episode` steps: what never ends could be neither evaluated nor restored.
    """

    def __init__(
        self,
        id: str,
        cars: int,
        image: Literal["none", "pixels"],
        image_size: tuple[int, int],
        frame_stack: int,
        longest_episode: int,
        options: JsonObject,
        device: str | torch.device,
        seed: int,
    ) -> None:
        for size, least in (("longest_episode", longest_episode), ("frame_stack", frame_stack)):
            if least < 1:
                raise UserError(f"env.{size} must be 1 or larger, got {least}")
        sees = image == "pixels" and image_size[0] > 0
        self.images: Images | NoImages = (
            Images((image_size[0], image_size[1]), frame_stack) if sees else NoImages()
        )
        envs = [make(id, self.images, options) for _ in range(cars)]
        if not has_limit(envs[0]):
            envs = [TimeLimit(env, longest_episode) for env in envs]
            cut = f"cut after {longest_episode:,} steps, since {id} states no limit (env.longest_episode)"
            self.facts = {"episodes": cut}
        self.games = [Game(env, self.images) for env in envs]
        self.name = id
        self.device, self.seed = torch.device(device), seed
        env = self.games[0].env
        fps = env.metadata.get("render_fps") or DEFAULT_FPS
        self.decision_ms = round(1000 / fps)
        self._threshold = env.spec.reward_threshold if env.spec else None
        self._restarts = True
        self.games[0].start(0)  # shows how many floats there are
        self.image_shape, self.actions = self.images.shape, int(env.action_space.n)  # type: ignore[attr-defined]
        self.layout = FloatLayout.generic(len(self.games[0].floats))
        self.set_spaces(cars)
        self.games[0].episode = -1

    def reset(  # type: ignore[override]
        self, *, seed: int | None = None, options: Mapping[str, str] | None = None
    ) -> tuple[Obs, ResetInfo]:
        """Begin episodes: `options["start"]` is "training" (default), "canonical" or "evaluation".

        Evaluation episodes are the same in every run, the canonical one is their first, and none restarts.
        """
        self.seed = self.seed if seed is None else seed
        start = start_of(options)
        self._restarts = start == "training"
        for car, game in enumerate(self.games):
            game.episode = -1
            fixed = episode_seed(EVALUATION_SEED, car if start == "evaluation" else 0, 0)
            game.start(episode_seed(self.seed, car, 0) if self._restarts else fixed)
        return self._observe(), {"potential": torch.zeros(self.num_envs, device=self.device)}

    def step(self, action: Tensor) -> tuple[Obs, Tensor, Tensor, Tensor, StepInfo]:  # type: ignore[override]
        """One step of every copy: `action` (E,) int64."""
        if self.games[0].episode < 0:
            raise early_step()
        chosen = checked_actions(action, self.actions)
        was_over = [game.over for game in self.games]
        outcomes = [game.step(a) for game, a in zip(self.games, chosen, strict=True)]
        reward, terminated, truncated = (self._tensor(column) for column in zip(*outcomes, strict=True))
        races = self._races(was_over, terminated)
        final = obs = self._observe()
        ended = [car for car, game in enumerate(self.games) if game.over and self._restarts]
        for car in ended:
            self.games[car].start(episode_seed(self.seed, car, self.games[car].episode + 1))
        if ended:
            obs = self._observe()
        zero = torch.zeros_like(reward)
        info = StepInfo(final_obs=final, final_potential=zero, potential=zero, races=races)
        return obs, reward, terminated, truncated, info

    def _races(self, was_over: list[bool], terminated: Tensor) -> Races:
        games = self.games
        total = self._tensor([game.total for game in games])
        over = self._tensor([game.over for game in games])
        return Races(
            done=over & ~self._tensor(was_over),
            finished=over & (terminated if self._threshold is None else total >= self._threshold),
            time_ms=self._tensor([len(game.actions) * self.decision_ms for game in games]),
            progress_m=total,
            from_start=torch.ones_like(over),
            reward=total,
        )

    def _observe(self) -> Obs:
        image = torch.stack([game.image for game in self.games])
        return Obs(image.to(self.device), torch.stack([game.floats for game in self.games]).to(self.device))

    def _tensor(self, values: Sequence[float | bool]) -> Tensor:
        return torch.tensor(values, device=self.device)

    def state_dict(self) -> StateDict:
        """Seed and, per copy, the episode number and its actions so far, which lead to the present state."""
        games = [{"episode": game.episode, "actions": list(game.actions)} for game in self.games]
        return {"seed": self.seed, "games": games}

    def load_state_dict(self, state: StateDict) -> None:
        """Drive every episode of a training reset again to where it was; this takes as long as before."""
        self.seed, self._restarts = state["seed"], True
        for car, (game, saved) in enumerate(zip(self.games, state["games"], strict=True)):
            game.replay(episode_seed(self.seed, car, saved["episode"]), saved["episode"], saved["actions"])

    def close_extras(self, **kwargs: object) -> None:
        """Close every copy."""
        for game in self.games:
            game.env.close()


def episode_seed(*parts: int) -> int:
    """A seed for each combination of parts; seeds of neighbours are unrelated."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
