"""Decisions before the first race in a game that waits for nobody: a policy's first ones take seconds."""

from __future__ import annotations

import torch

from btr_tm.core.protocols import Actor, DrivingEnv
from btr_tm.core.types import Obs

DECISIONS = 4  # the first are recorded, the others replay them


def rehearse(env: DrivingEnv, policy: Actor, explore: bool) -> None:
    """Let `policy` decide a few times, if `env` is a game in real time; nothing is driven."""
    if not env.real_time:
        return
    size, device = (env.num_envs, *env.image_shape), env.device
    image = torch.zeros(size, dtype=torch.uint8, device=device)
    obs = Obs(image, torch.zeros(env.num_envs, env.layout.size, device=device))
    for _ in range(DECISIONS):
        policy.act(obs, explore)
