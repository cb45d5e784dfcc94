"""What follows the fusion of features and quantile fractions: action values."""

from __future__ import annotations

import math

from torch import Tensor, nn

from btr_tm.core.block import Block
from btr_tm.nets.builders import Atoms, BuildActivation, BuildLinear, BuildNorm
from btr_tm.nets.precision import autocast


class Head(nn.Module):
    """The base of all heads."""

    def values(self, layer: nn.Module, hidden: Tensor) -> Tensor:
        """`layer(hidden)` with all digits, whatever format autocast has chosen for the layers before."""
        with autocast(hidden.device, enabled=False):
            return layer(hidden.float())

    def last_layers(self) -> list[nn.Module]:
        """The layers whose outputs are values or their parts."""
        raise NotImplementedError


class DuelingHead(Head):
    """Q = V + A - mean_a A from two streams of one hidden layer each (Wang et al. 2016, arXiv:1511.06581).

    `linear`, `norm` and `activation` are builders: `linear(inputs, outputs, role)`, `norm(features)`,
    `activation()`. Input (R, features), output (R, *atoms, *block, actions): with `block` (K,) a decision is
    a block of K actions, which have advantages of their own and share V (Linesight's multi-action mode). With
    `atoms` (n,) each value is made of n numbers, which have a V each.
    """

    dueling = True

    def __init__(
        self,
        features: int,
        actions: int,
        hidden: int,
        linear: BuildLinear,
        norm: BuildNorm,
        activation: BuildActivation,
        block: Block,
        atoms: Atoms,
    ) -> None:
        super().__init__()
        self.shape, self.value_shape = (*atoms, *block, actions), (*atoms, *(1,) * (len(block) + 1))
        self.advantage = hidden_layer(features, hidden, linear, norm, activation)
        self.advantage_out = linear(hidden, math.prod(self.shape), "advantage")
        self.value = hidden_layer(features, hidden, linear, norm, activation)
        self.value_out = linear(hidden, math.prod(atoms), "value")

    def forward(self, x: Tensor) -> Tensor:
        advantage = self.values(self.advantage_out, self.advantage(x)).unflatten(-1, self.shape)
        value = self.values(self.value_out, self.value(x)).unflatten(-1, self.value_shape)
        return value + advantage - advantage.mean(-1, keepdim=True)

    def last_layers(self) -> list[nn.Module]:
        return [self.advantage_out, self.value_out]


def hidden_layer(
    features: int, hidden: int, linear: BuildLinear, norm: BuildNorm, activation: BuildActivation
) -> nn.Sequential:
    """Linear, norm, activation: (R, features) -> (R, hidden)."""
    return nn.Sequential(linear(features, hidden, "hidden"), norm(hidden), activation())
