"""What backends have in common: spaces that say what comes, and the kinds of starts."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space

from btr_tm.core.errors import UserError

STARTS = ("training", "canonical", "evaluation")


def set_spaces(env: VectorEnv, image_shape: tuple[int, ...], floats: int, action: gymnasium.Space) -> None:
    """Give `env`, whose `num_envs` is known, its spaces: an image (C, H, W), `floats` numbers, `action`."""
    env.single_observation_space = gymnasium.spaces.Dict(
        {
            "image": gymnasium.spaces.Box(0, 255, image_shape, np.uint8),
            "floats": gymnasium.spaces.Box(-np.inf, np.inf, (floats,), np.float32),
        }
    )
    env.single_action_space = action
    env.observation_space = batch_space(env.single_observation_space, env.num_envs)
    env.action_space = batch_space(env.single_action_space, env.num_envs)


def start_of(options: dict[str, Any] | None) -> str:
    """The kind of start that `options` of a reset ask for, training unless they do; raises UserError."""
    start = (options or {}).get("start", STARTS[0])
    if start not in STARTS:
        raise UserError(f"expected a start out of {', '.join(STARTS)}, got {start!r}; correct it")
    return start


def checked_actions(action: Any, count: int) -> list[int]:
    """`action` (E,) as numbers on the host; raises UserError for one that is not within 0 to `count` - 1."""
    chosen = action.tolist()
    for a in chosen:
        if not (isinstance(a, int) and 0 <= a < count):
            raise UserError(f"expected whole-numbered actions from 0 to {count - 1}, got {a}")
    return chosen
