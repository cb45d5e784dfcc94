"""Choosing actions with a quantile network."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Decision
from btr_tm.core.types import Obs
from btr_tm.losses.quantile import draw_taus, fixed_taus
from btr_tm.nets.iqn import IQN


class Exploration(Protocol):
    """Turns action values into actions; `noise`: redraw parameter noise before each decision."""

    @property
    def noise(self) -> bool: ...

    def __call__(self, q: Tensor, generator: torch.Generator, frames: int) -> tuple[Tensor, Tensor]: ...


class IqnPolicy:
    """Acts on the mean over `act_taus` quantiles of `net`, which it shares with the learner.

    Exploring: fresh parameter noise (if the exploration wants it), random fractions, then the exploration's
    choice. Not exploring: noise off, a fixed grid of fractions, the best action: deterministic.
    """

    def __init__(
        self, net: IQN, exploration: Exploration, clock: Clock, generator: torch.Generator, act_taus: int = 8
    ) -> None:
        self.net, self.exploration, self.clock, self.generator = net, exploration, clock, generator
        self.act_taus = act_taus
        self._grid = fixed_taus(act_taus, generator.device)

    @torch.no_grad()
    def act(self, obs: Obs, explore: bool) -> Decision:
        """One decision per car; q (E, A) is the mean over quantiles that the choice was made from."""
        cars = obs.floats.shape[0]
        if not explore:
            self.net.disable_noise()
            q = self.net(obs, self._grid.expand(cars, -1)).mean(1)
            best = q.argmax(1)
            return Decision(best, torch.ones_like(best, dtype=torch.bool), q)
        if self.exploration.noise:
            self.net.reset_noise(self.generator)
        else:
            self.net.disable_noise()
        taus = draw_taus(cars, self.act_taus, self.generator)
        q = self.net(obs, taus).mean(1)
        action, greedy = self.exploration(q, self.generator, self.clock.frames)
        return Decision(action, greedy, q)

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.set_state(state["generator"].cpu())
