"""NaN and infinity from a game, noticed where they come in: a network that has learnt from them is lost."""

from __future__ import annotations

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.protocols import DrivingEnv, StepInfo
from btr_tm.core.types import Obs


class FiniteCheck:
    """Raises UserError when `env` shows floats or gives rewards that are not finite; names car and float.

    On a GPU nothing waits: looked at is what has come to the host by itself, of a decision or two before.
    """

    def __init__(self, env: DrivingEnv) -> None:
        self._game, self._layout = env.name, env.layout
        # Zeros to which values are added zero times: only NaN and infinity leave a trace, and it stays.
        self._floats = torch.zeros(env.num_envs, env.layout.size, device=env.device)
        self._rewards = torch.zeros(env.num_envs, device=env.device)
        self._later = env.device.type == "cuda"
        self._on_host = torch.zeros((), pin_memory=self._later)

    def __call__(self, obs: Obs, reward: Tensor, info: StepInfo) -> None:
        """Look at what one decision brought: `obs` of E cars and `reward` (E,)."""
        self._floats.add_(obs.floats, alpha=0).add_(info["final_obs"].floats, alpha=0)
        self._rewards.add_(reward, alpha=0).add_(info["potential"], alpha=0)
        trace = self._floats.sum() + self._rewards.sum()
        if float(self._on_host if self._later else trace) != 0.0:
            self._refuse()
        if self._later:
            self._on_host.copy_(trace, non_blocking=True)

    def _refuse(self) -> None:
        rewards, floats = self._rewards.isnan().nonzero(), self._floats.isnan().nonzero()
        car, what = (
            (rewards[0, 0], "reward") if len(rewards) else (floats[0, 0], self._named(int(floats[0, 1])))
        )
        raise UserError(
            f"{self._game} has given car {int(car)} a {what} that is NaN or infinite, which nothing can be "
            "learnt from; mend the game, or bound what it gives"
        )

    def _named(self, place: int) -> str:
        """An element of the float vector in words."""
        for name in self._layout.names:
            part = self._layout[name]
            if part.start <= place < part.stop:
                return f"float {place}" + (f" ({name} {place - part.start})" if name != "floats" else "")
        raise AssertionError(place)
