"""Which weights the driver has that is evaluated and saved: those of the last update, or their average."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import torch

from btr_tm.agent.target_sync import target_copy
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import Stateful
from btr_tm.core.types import StateDict
from btr_tm.nets.network import Network

Net = TypeVar("Net", bound=Network)


class DriverWeights(Stateful, Protocol[Net]):
    """Called after every update."""

    @property
    def net(self) -> Net:
        """The network of the driver."""
        ...

    def __call__(self, online: Net) -> None: ...


class OnlineWeights(Generic[Net]):
    """The driver has the weights that learn."""

    def __init__(self, net: Net) -> None:
        self.net = net

    def __call__(self, online: Net) -> None:
        """There is nothing to follow."""

    def state_dict(self) -> StateDict:
        return {}

    def load_state_dict(self, state: StateDict) -> None:
        """The learner loads the network."""


class AveragedWeights(Generic[Net]):
    """The driver has the exponential moving average of the weights that learn (Polyak and Juditsky 1992,
    doi:10.1137/0330046).

    It begins as a copy of `net`; every update moves each parameter by `share` towards the online one, and
    copies the buffers, the vectors of spectral norms among them. Training never acts or learns with it. The
    first 1 / `share` updates count alike, and as much as the copy: a fixed share would leave a new driver
    mostly at its random beginning for so long.
    """

    def __init__(self, net: Net, share: float) -> None:
        if not 0.0 < share <= 1.0:
            raise UserError(f"share of policy=ema must be larger than 0 and at most 1, got {share}")
        self.net, self.share = target_copy(net), share
        self.updates = 0

    @torch.no_grad()
    def __call__(self, online: Net) -> None:
        self.updates += 1
        share = max(self.share, 1 / (self.updates + 1))
        torch._foreach_lerp_(list(self.net.parameters()), list(online.parameters()), share)
        for own, new in zip(self.net.buffers(), online.buffers(), strict=True):
            own.copy_(new)

    def state_dict(self) -> StateDict:
        return {"net": self.net.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: StateDict) -> None:
        self.net.load_state_dict(state["net"])
        self.updates = int(state.get("updates", 1 / self.share))  # checkpoints had none until 2026-11-29
