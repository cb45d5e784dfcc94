"""One gymnasium environment with what the vector environment needs: images, floats, exact resumption."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete
from torch import Tensor
from torch.nn import functional

from btr_tm.core.errors import UserError
from btr_tm.core.types import JsonObject

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma, what Atari preprocessing uses


Observation = np.ndarray | Mapping[str, np.ndarray]


def is_picture(space: gymnasium.Space | None) -> bool:
    """Observations are colour or grey images (H, W, 3 or 1) uint8."""
    return (
        isinstance(space, Box)
        and space.dtype == np.uint8
        and space.shape[-1:] in ((3,), (1,))
        and len(space.shape) == 3
    )


class Seen(NamedTuple):
    """What an observation consists of; None where there is nothing."""

    picture: np.ndarray | None
    floats: np.ndarray | None


def entries(space: gymnasium.Space, id: str) -> set[str]:
    """Which of `image` and `floats` are in what `id` shows: in one array, or in a Dict with one or both.

    Raises UserError for anything else.
    """
    known = dict(space.spaces) if isinstance(space, Dict) else {_kind(space): space}
    fits = {"image": is_picture(known.get("image")), "floats": isinstance(known.get("floats"), Box)}
    if not known or not all(fits.get(name) for name in known):
        raise UserError(
            f"{id} must be observed as one array, or as a Dict with an image (H, W, 3) uint8 as `image` and "
            f"an array as `floats`, but shows {str(space)[:200]}; wrap it, or choose another environment"
        )
    return set(known)


def _kind(space: gymnasium.Space) -> str:
    return "image" if is_picture(space) else "floats"


def split(observation: Observation, space: gymnasium.Space) -> Seen:
    """The arrays of one observation."""
    if not isinstance(observation, Mapping):
        observation = {_kind(space): observation}
    return Seen(observation.get("image"), observation.get("floats"))


@dataclass(frozen=True)
class NoImages:
    """No image."""

    shape = (1, 0, 0)
    render_mode = None

    def __call__(self, env: gymnasium.Env, picture: np.ndarray | None) -> Tensor:
        """An empty frame (0, 0) uint8."""
        return torch.zeros(0, 0, dtype=torch.uint8)


@dataclass(frozen=True)
class Images:
    """Grey, resized frames, the newest `frame_stack` of them as channels, oldest first.

    Made of the picture in the observation where there is one, else of what the environment renders.
    """

    size: tuple[int, int]
    frame_stack: int
    render_mode = "rgb_array"

    @property
    def shape(self) -> tuple[int, int, int]:
        """C, H, W."""
        return (self.frame_stack, *self.size)

    def __call__(self, env: gymnasium.Env, picture: np.ndarray | None) -> Tensor:
        """A frame (H, W) uint8."""
        seen = torch.from_numpy(np.ascontiguousarray(env.render() if picture is None else picture)).float()
        grey = seen[..., 0] if seen.shape[-1] == 1 else seen @ torch.tensor(GREY)
        return functional.interpolate(grey[None, None], self.size, mode="area")[0, 0].round().to(torch.uint8)


def make(id: str, images: NoImages | Images, options: JsonObject) -> gymnasium.Env:
    """`gymnasium.make`; UserError unless actions are discrete and the observation is what `entries` knows."""
    if images.render_mode is not None:  # not every task knows this argument
        options = {**options, "render_mode": images.render_mode}
    try:
        env = gymnasium.make(id, **options)
    except Exception as error:  # the code of others says in many ways that an id or an option is wrong
        raise UserError(f"gymnasium cannot make {id}: {' '.join(str(error).split())}") from error
    action = env.action_space
    if not isinstance(action, Discrete) or action.start != 0:
        raise UserError(
            f"{id} must have discrete actions from 0, but has {action}; choose another environment, or "
            "an option that makes its actions discrete (CarRacing: continuous=false)"
        )
    if entries(env.observation_space, id) == {"image"} and isinstance(images, NoImages):
        raise UserError(f"{id} shows nothing but pictures; choose an encoder and set env.image=pixels")
    return env


def has_limit(env: gymnasium.Env) -> bool:
    """Whether the environment says after how many steps it truncates an episode."""
    return env.spec is not None and env.spec.max_episode_steps is not None


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
        picture, floats = split(observation, self.env.observation_space)
        self._frames.extend([self._images(self.env, picture)] * self._images.shape[0])
        self._show(floats)

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Reward, terminated, truncated; an episode that is over stands still."""
        if self.over:
            return 0.0, self._terminated, not self._terminated
        observation, reward, terminated, truncated, _ = self.env.step(action)
        picture, floats = split(observation, self.env.observation_space)
        self._frames.append(self._images(self.env, picture))
        self._show(floats)
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

    def _show(self, floats: np.ndarray | None) -> None:
        seen = () if floats is None else np.asarray(floats, np.float32).ravel()
        self.floats = torch.tensor(seen, dtype=torch.float32)
        self.image = torch.stack(list(self._frames))
