"""How the target network follows the online network."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from btr_tm.core.errors import UserError
from btr_tm.nets.iqn import IQN
from btr_tm.nets.linear import NoisyLinear

Net = TypeVar("Net", bound=nn.Module)
Buffers = Literal["follow", "own"]
When = Literal["before_loss", "after_step"]


class TargetSync(Protocol):
    """Moves the target towards the online network; `every_updates` says how often."""

    @property
    def every_updates(self) -> int: ...

    @property
    def when(self) -> When:
        """At which point of an update: between its noise and its loss, or after its step."""
        ...

    def __call__(self, online: IQN, target: IQN, updates: int) -> None:
        """`updates`: how many were made; with "after_step" the present one counts."""
        ...


def target_copy(online: Net) -> Net:
    """A copy that never gets gradients."""
    return copy.deepcopy(online).requires_grad_(False)


@dataclass(frozen=True)
class HardSync:
    """Everything is copied every `every_updates` updates (BTR: 500).

    `buffers="follow"`: the noise too, over what the target has just drawn, so that both networks share it for
    the update that follows (BTR's code). "own": the target keeps its noise.
    """

    every_updates: int
    buffers: Buffers
    when: ClassVar[When] = "before_loss"
    copies = True

    def __post_init__(self) -> None:
        _refuse_never(self.every_updates)

    @torch.no_grad()
    def __call__(self, online: IQN, target: IQN, updates: int) -> None:
        if updates % self.every_updates == 0:
            kept = _no_noise if self.buffers == "own" else _all
            torch._foreach_copy_(kept(target), kept(online))


@dataclass(frozen=True)
class SoftSync:
    """The target moves by the share `tau` every `every_updates` updates (Linesight: 0.02, once per update at
    the published batch size).

    `buffers="follow"`: buffers move like parameters, the spectral norm's vectors and the noise among them, as
    in Linesight, which walks the whole state dict. "own": parameters alone move, the noise stays. In both
    cases one power iteration then fits the vectors to the moved kernels. With tau 1 the target is a copy.
    """

    tau: float
    every_updates: int
    buffers: Buffers
    when: ClassVar[When] = "after_step"

    def __post_init__(self) -> None:
        _refuse_never(self.every_updates)
        if not 0.0 < self.tau <= 1.0:
            raise UserError(f"tau of the soft target must be larger than 0 and at most 1, got {self.tau}")

    @torch.no_grad()
    def __call__(self, online: IQN, target: IQN, updates: int) -> None:
        if updates % self.every_updates == 0:
            moving = _parameters if self.buffers == "own" else _all
            torch._foreach_lerp_(moving(target), moving(online), self.tau)
            target.power_iteration()


def _refuse_never(every_updates: int) -> None:
    if every_updates < 1:
        raise UserError(f"every_updates of the target must be 1 or larger, got {every_updates}")


def _parameters(net: nn.Module) -> list[Tensor]:
    return list(net.parameters())


def _all(net: nn.Module) -> list[Tensor]:
    return [*net.parameters(), *net.buffers()]


def _no_noise(net: nn.Module) -> list[Tensor]:
    layers = [layer for layer in net.modules() if isinstance(layer, NoisyLinear)]
    noise = {id(buffer) for layer in layers for buffer in layer.buffers()}
    return [tensor for tensor in _all(net) if id(tensor) not in noise]
