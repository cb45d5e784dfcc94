"""What all policies have in common that ask a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic

import torch

from btr_tm.agent.driver_weights import Net
from btr_tm.agent.execution import Execution
from btr_tm.core.clock import Clock
from btr_tm.core.types import StateDict


class NetPolicy(Generic[Net]):
    """The base: shares `net` with its learner and draws from `generator`, the whole of its state.

    `execution` runs the forward passes. What it may record reads the tensors of `net` where they are:
    `forget` where they have been replaced. What `net` computes once while it is `_unchanged` is no
    operation: a subclass records both cases.
    """

    def __init__(self, net: Net, clock: Clock, generator: torch.Generator, execution: Execution) -> None:
        self.net, self.clock, self.generator, self.execution = net, clock, generator, execution
        self._unchanged = False

    def forget(self) -> None:
        """Some tensors of the network have been replaced."""
        self.execution.forget()

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """While this lasts, nobody changes the weights of the network."""
        with self.net.unchanged():
            self._unchanged = True
            try:
                yield
            finally:
                self._unchanged = False

    def state_dict(self) -> StateDict:
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: StateDict) -> None:
        self.generator.set_state(state["generator"].cpu())
