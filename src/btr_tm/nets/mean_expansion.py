"""A head of one stream whose actions share their mean; an alternative to the dueling head."""

from __future__ import annotations

import math

from torch import Tensor, nn

from btr_tm.core.block import Block
from btr_tm.nets.builders import Atoms, BuildActivation, BuildLinear, BuildNorm
from btr_tm.nets.heads import Head, hidden_layer


class MeanExpansionHead(Head):
    """q = z + k mean_a z, of one hidden layer (Nagarajan et al. 2026, arXiv:2606.29806).

    The layer has no parameters. An update of one action moves all of them by k (2 + k) / A of the step, so
    that what the actions of a state have in common is learnt from every one of them. k = 0 is the plain head
    of one stream. Builders and shapes as those of DuelingHead, which has its own way of sharing a value: on
    top of it the layer would only multiply V by 1 + k.
    """

    def __init__(
        self,
        features: int,
        actions: int,
        hidden: int,
        linear: BuildLinear,
        norm: BuildNorm,
        activation: BuildActivation,
        k: float,
        block: Block,
        atoms: Atoms,
    ) -> None:
        super().__init__()
        self.shape, self.k = (*atoms, *block, actions), k
        self.hidden = hidden_layer(features, hidden, linear, norm, activation)
        self.values_out = linear(hidden, math.prod(self.shape), "advantage")

    def forward(self, x: Tensor) -> Tensor:
        z = self.values(self.values_out, self.hidden(x)).unflatten(-1, self.shape)
        return z + self.k * z.mean(-1, keepdim=True)

    def last_layers(self) -> list[nn.Module]:
        return [self.values_out]
