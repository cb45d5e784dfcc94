"""Choosing actions with a quantile network."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from btr_tm.agent.execution import Execution
from btr_tm.agent.net_policy import NetPolicy
from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Decision
from btr_tm.core.types import Obs
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


class IqnPolicy(NetPolicy[IQN]):
    """Acts on the mean over `act_taus` quantiles of `net`.

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
        execution: Execution,
    ) -> None:
        super().__init__(net, clock, generator, execution)
        self.exploration, self.act_taus, self.symmetric_taus = exploration, act_taus, symmetric_taus
        refuse_odd("taus_act", act_taus, symmetric_taus)
        self._grid = fixed_taus(act_taus, generator.device)[None]
        # Noise on or off is no operation either: each case is recorded by itself.
        ways = [(noise, unchanged) for noise in (False, True) for unchanged in (False, True)]
        self._values = {way: execution.part(self._mean_values) for way in ways}

    def _mean_values(self, obs: Obs, taus: Tensor) -> Tensor:
        return self.net.values(obs, taus).mean(1)

    @torch.no_grad()
    def act(self, obs: Obs, explore: bool) -> Decision:
        """One decision per car; q (E, A) or (E, K, A) is the mean over quantiles that was chosen from."""
        cars = obs.floats.shape[0]
        if not explore:
            self.net.disable_noise()
            q = self._values[False, self._unchanged](obs, self._grid)
            return Decision(q.argmax(-1), torch.ones(cars, dtype=torch.bool, device=q.device), q)
        noise = self.exploration.noise
        if noise:
            self.net.reset_noise(self.generator, cars)
        else:
            self.net.disable_noise()
        taus = draw_taus(cars, self.act_taus, self.generator, self.symmetric_taus)
        q = self._values[noise, self._unchanged](obs, taus)
        action, greedy = self.exploration(q, self.generator, self.clock.frames)
        return Decision(action, greedy, q)

    def with_net(self, net: IQN) -> IqnPolicy:
        """This policy if it has `net`, else one like it, with the same random numbers, that has."""
        if net is self.net:
            return self
        rest = (self.exploration, self.clock, self.generator, self.act_taus, self.symmetric_taus)
        return IqnPolicy(net, *rest, self.execution)
