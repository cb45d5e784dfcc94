"""Driving for the pictures alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic

import torch
from torch import Tensor

from btr_tm.agent.driver_weights import Net
from btr_tm.core.block import Block
from btr_tm.core.protocols import Decision
from btr_tm.core.types import Obs, StateDict

HELD = 6  # decisions on average: a key that is held for 50 ms hardly moves a car aside


class RandomPolicy(Generic[Net]):
    """Holds a random action for a random while. Not exploring it drives straight ahead, by action 0.

    It carries `net`, which others train, and never asks it. (E,) actions, or (E, K) for blocks.
    """

    def __init__(self, net: Net, generator: torch.Generator, actions: int, block: Block) -> None:
        self.net, self.generator, self.actions, self.block = net, generator, actions, block
        self._held: Tensor | None = None  # what each car did last

    def act(self, obs: Obs, explore: bool) -> Decision:
        """One decision per car; `q` is 0 of every action."""
        cars, device = len(obs.floats), obs.floats.device
        nothing = torch.zeros(cars, *self.block, self.actions, device=device)
        if not explore:
            straight = torch.zeros(cars, *self.block, dtype=torch.int64, device=device)
            return Decision(straight, torch.ones(cars, dtype=torch.bool, device=device), nothing)
        draw, place = self.generator, self.generator.device
        drawn = torch.randint(self.actions, (cars, *self.block), generator=draw, device=place).to(device)
        changed = (torch.rand(cars, generator=draw, device=place) < 1 / HELD).to(device)
        if self._held is None or len(self._held) != cars:
            changed, self._held = torch.ones_like(changed), drawn
        self._held = torch.where(changed.view(-1, *(1 for _ in self.block)), drawn, self._held)
        return Decision(self._held, torch.zeros(cars, dtype=torch.bool, device=device), nothing)

    def with_net(self, net: Net) -> RandomPolicy[Net]:
        """This policy if it has `net`, else one like it that has."""
        return self if net is self.net else RandomPolicy(net, self.generator, self.actions, self.block)

    def forget(self) -> None:
        """Nothing is kept of the network."""

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """The network is not asked."""
        yield

    def state_dict(self) -> StateDict:
        held = {} if self._held is None else {"held": self._held}
        return {"generator": self.generator.get_state(), **held}

    def load_state_dict(self, state: StateDict) -> None:
        self.generator.set_state(state["generator"].cpu())
        held = state.get("held")
        self._held = None if held is None else held.to(self.generator.device)
