"""Periodic partial resets of the network that learns."""

from __future__ import annotations

import copy
from typing import Protocol

import torch
from torch import nn

from btr_tm.core.clock import Every
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import Stateful
from btr_tm.core.types import StateDict
from btr_tm.nets.iqn import IQN


class Reset(Stateful, Protocol):
    """Called after every update."""

    def __call__(self, online: IQN, frames: int) -> int:
        """Change `online` if it is time; returns how many more uses of transitions this grants, beside those
        that driving pays for.
        """
        ...


class NoReset:
    """The network is never reset."""

    def __call__(self, online: IQN, frames: int) -> int:
        return 0

    def state_dict(self) -> StateDict:
        return {}

    def load_state_dict(self, state: StateDict) -> None:
        pass


class PartialReset:
    """Every `every_frames` frames all parameters move by the share `share` towards a fresh network, then the
    last layers of both streams by `last_share` towards the same.

    Linesight (off there too): 0.01 and 0.8. The comment on its 0.8 says the inverse of what the code does,
    namely that this share of the old layer is kept. The target network follows in its own way. The
    optimizer's moments stay, as they do there: they still describe gradients of the right size, while zeroed
    second moments under an old step count would make the next steps far too large.

    `net` is copied as it is before its first update; `generator` (CPU) draws the fresh weights.
    """

    def __init__(
        self,
        net: IQN,
        generator: torch.Generator,
        every_frames: int,
        share: float,
        last_share: float,
        extra_uses: int,
    ) -> None:
        for name, part in (("share", share), ("last_share", last_share)):
            if not 0 <= part <= 1:
                raise UserError(f"learner.reset.{name} must be from 0 to 1, got {part}")
        self.fresh = copy.deepcopy(net).cpu()
        self.generator, self.every = generator, Every(every_frames)
        self.share, self.last_share, self.extra_uses = share, last_share, extra_uses

    @torch.no_grad()
    def __call__(self, online: IQN, frames: int) -> int:
        if not self.every(frames):
            return 0
        self.fresh.redraw(self.generator)
        _move(online, self.fresh, self.share)
        for layer, new in zip(online.last_layers(), self.fresh.last_layers(), strict=True):
            _move(layer, new, self.last_share)
        return self.extra_uses

    def state_dict(self) -> StateDict:
        return {"generator": self.generator.get_state(), "every": self.every.state_dict()}

    def load_state_dict(self, state: StateDict) -> None:
        self.generator.set_state(state["generator"].cpu())
        self.every.load_state_dict(state["every"])


def _move(module: nn.Module, towards: nn.Module, share: float) -> None:
    """In place."""
    for parameter, goal in zip(module.parameters(), towards.parameters(), strict=True):
        parameter.lerp_(goal.to(parameter.device), share)
