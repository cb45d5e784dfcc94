"""How the target network follows the online network."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from btr_tm.nets.iqn import IQN


def target_copy(online: IQN) -> IQN:
    """A copy that never gets gradients."""
    return copy.deepcopy(online).requires_grad_(False)


@dataclass(frozen=True)
class HardSync:
    """Everything is copied, buffers too, every `every_updates` updates (BTR: 500)."""

    every_updates: int = 500

    @torch.no_grad()
    def __call__(self, online: IQN, target: IQN, updates: int) -> None:
        """`updates` counts those that were made."""
        if updates % self.every_updates == 0:
            torch._foreach_copy_(_tensors(target), _tensors(online))


@dataclass(frozen=True)
class SoftSync:
    """The target moves by the share `tau`, buffers too, every `every_updates` updates (baseline: 0.02).

    The spectral norm's vectors are then improved for the moved kernels. With tau 1 the target is a copy.
    """

    tau: float = 0.02
    every_updates: int = 1

    @torch.no_grad()
    def __call__(self, online: IQN, target: IQN, updates: int) -> None:
        """`updates` counts those that were made."""
        if updates % self.every_updates == 0:
            torch._foreach_lerp_(_tensors(target), _tensors(online), self.tau)
            target.power_iteration()


def _tensors(net: nn.Module) -> list[Tensor]:
    return [*net.parameters(), *net.buffers()]
