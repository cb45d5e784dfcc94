"""One gymnasium environment with what the vector environment needs: images, floats, exact resumption."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor
from torch.nn import functional

from btr_tm.core.errors import UserError
from btr_tm.core.types import JsonObject

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma, what Atari preprocessing uses


def is_picture(space: gymnasium.Space) -> bool:
    """Observations are colour images (H, W, 3) uint8."""
    return (
        isinstance(space, Box)
        and space.dtype == np.uint8
        and space.shape[-1:] == (3,)
        and len(space.shape) == 3
    )


@dataclass(frozen=True)
class NoImages:
    """No image."""

    shape = (1, 0, 0)
    render_mode = None

    def __call__(self, env: gymnasium.Env, observation: np.ndarray) -> Tensor:
        """An empty frame (0, 0) uint8."""
        return torch.zeros(0, 0, dtype=torch.uint8)


@dataclass(frozen=True)
class Images:
    """Grey, resized frames, the newest `frame_stack` of them as channels, oldest first.

    Made of the observation where that is a picture, else of what the environment renders.
    """

    size: tuple[int, int]
    frame_stack: int
    render_mode = "rgb_array"

    @property
    def shape(self) -> tuple[int, int, int]:
        """C, H, W."""
        return (self.frame_stack, *self.size)

    def __call__(self, env: gymnasium.Env, observation: np.ndarray) -> Tensor:
        """A frame (H, W) uint8."""
        picture = observation if is_picture(env.observation_space) else env.render()
        grey = torch.from_numpy(np.ascontiguousarray(picture)).float() @ torch.tensor(GREY)
        return functional.interpolate(grey[None, None], self.size, mode="area")[0, 0].round().to(torch.uint8)


def make(id: str, images: NoImages | Images, options: JsonObject) -> gymnasium.Env:
    """`gymnasium.make`; UserError unless actions are discrete and the observation is one array."""
    try:
        env = gymnasium.make(id, render_mode=images.render_mode, **options)
    except gymnasium.error.Error as error:
        raise UserError(f"gymnasium cannot make {id}: {error}") from error
    space, action = env.observation_space, env.action_space
    if not isinstance(action, Discrete) or action.start != 0:
        raise UserError(
            f"{id} must have discrete actions from 0, but has {action}; choose another environment, or "
            "an option that makes its actions discrete (CarRacing: continuous=false)"
        )
    if not isinstance(space, Box):
        raise UserError(f"{id} must be observed as one array, but shows {space}; choose another environment")
    if is_picture(space) and isinstance(images, NoImages):
        raise UserError(f"{id} shows nothing but pictures; choose an encoder and set env.image=pixels")
    return env


class Game:
    """An environment with its present observation, and the actions that led there from its seed."""

    def __init__(self, env: gymnasium.Env, images: NoImages | Images) -> None:
        self.env, self._images = env, images
        self._frames: deque[Tensor] = deque(maxlen=images.shape[0])
        self.episode = -1  # episodes begun before the present one
        self.actions: list[int] = []
        self.total = 0.0  # undiscounted return
        self.over = self._terminated = False

    def start(self, seed: int) -> None:
        """Begin an episode that depends on nothing but `seed`."""
        self.episode += 1
        self.actions, self.total = [], 0.0
        self.over = self._terminated = False
        observation, _ = self.env.reset(seed=seed)
        self._frames.extend([self._images(self.env, observation)] * self._images.shape[0])
        self._show(observation)

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Reward, terminated, truncated; an episode that is over stands still."""
        if self.over:
            return 0.0, self._terminated, not self._terminated
        observation, reward, terminated, truncated, _ = self.env.step(action)
        self._frames.append(self._images(self.env, observation))
        self._show(observation)
        self.actions.append(action)
        self.total += float(reward)
        self.over, self._terminated = bool(terminated or truncated), bool(terminated)
        return float(reward), self._terminated, bool(truncated)

    def replay(self, seed: int, episode: int, actions: list[int]) -> None:
        """Restore the state that those actions led to; exact where the environment is deterministic."""
        self.episode = episode - 1
        self.start(seed)
        for action in actions:
            self.step(action)

    def _show(self, observation: np.ndarray) -> None:
        seen = () if is_picture(self.env.observation_space) else np.asarray(observation, np.float32).ravel()
        self.floats = torch.tensor(seen, dtype=torch.float32)
        self.image = torch.stack(list(self._frames))
