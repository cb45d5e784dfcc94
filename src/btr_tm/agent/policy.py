"""Choosing actions with a quantile network."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Decision
from btr_tm.core.types import Obs, StateDict
from btr_tm.losses.quantile import draw_taus, fixed_taus, refuse_odd
from btr_tm.nets.iqn import IQN


class Exploration(Protocol):
    """Turns action values into actions; `noise`: redraw parameter noise before each decision."""

    @property
    def noise(self) -> bool: ...

    def __call__(self, q: Tensor, generator: torch.Generator, frames: int) -> tuple[Tensor, Tensor]: ...

    def measure(self, frames: int) -> dict[str, float]:
        """Its scheduled values after `frames` frames, by name."""
        ...


class IqnPolicy:
    """Acts on the mean over `act_taus` quantiles of `net`, which it shares with the learner.

    Exploring: fresh parameter noise (if the exploration wants it), random fractions (mirrored with
    `symmetric_taus`, see draw_taus), then the exploration's choice. Not exploring: noise off, a fixed grid of
    fractions, the best action: deterministic. Raises UserError for an odd number of mirrored fractions.
    """

    def __init__(
        self,
        net: IQN,
        exploration: Exploration,
        clock: Clock,
        generator: torch.Generator,
        act_taus: int,
        symmetric_taus: bool,
    ) -> None:
        self.net, self.exploration, self.clock, self.generator = net, exploration, clock, generator
        self.act_taus, self.symmetric_taus = act_taus, symmetric_taus
        refuse_odd("taus_act", act_taus, symmetric_taus)
        self._grid = fixed_taus(act_taus, generator.device)

    @torch.no_grad()
    def act(self, obs: Obs, explore: bool) -> Decision:
        """One decision per car; q (E, A) or (E, K, A) is the mean over quantiles that was chosen from."""
        cars = obs.floats.shape[0]
        if not explore:
            self.net.disable_noise()
            q = self.net(obs, self._grid.expand(cars, -1)).mean(1)
            return Decision(q.argmax(-1), torch.ones(cars, dtype=torch.bool, device=q.device), q)
        if self.exploration.noise:
            self.net.reset_noise(self.generator, cars)
        else:
            self.net.disable_noise()
        taus = draw_taus(cars, self.act_taus, self.generator, self.symmetric_taus)
        q = self.net(obs, taus).mean(1)
        action, greedy = self.exploration(q, self.generator, self.clock.frames)
        return Decision(action, greedy, q)

    def with_net(self, net: IQN) -> IqnPolicy:
        """This policy if it has `net`, else one like it, with the same random numbers, that has."""
        if net is self.net:
            return self
        rest = (self.exploration, self.clock, self.generator, self.act_taus, self.symmetric_taus)
        return IqnPolicy(net, *rest)

    def unchanged(self) -> AbstractContextManager[None]:
        """While this lasts, nobody changes the weights of the network."""
        return self.net.unchanged()

    def state_dict(self) -> StateDict:
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: StateDict) -> None:
        self.generator.set_state(state["generator"].cpu())
