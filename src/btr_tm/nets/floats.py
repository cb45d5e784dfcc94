"""The branch of the network that reads the float vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from btr_tm.core.floats import FloatLayout
from btr_tm.nets.builders import BuildActivation, BuildNorm
from btr_tm.nets.linear import Linear


class FloatHead(nn.Module):
    """(B, F) physical units -> (B, hidden): normalised by the layout, then two layers."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, layout: FloatLayout, hidden: int, norm: BuildNorm, activation: BuildActivation
    ) -> None:
        super().__init__()
        self.out_features = hidden
        self.register_buffer("mean", torch.tensor(layout.mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(layout.std, dtype=torch.float32))
        self.layers = nn.Sequential(
            Linear(layout.size, hidden), norm(hidden), activation(),
            Linear(hidden, hidden), norm(hidden), activation(),
        )  # fmt: skip

    def forward(self, floats: Tensor) -> Tensor:
        return self.layers((floats - self.mean) / self.std)


class NoFloats(nn.Module):
    """A task without floats: (B, 0) stays (B, 0)."""

    out_features = 0

    def forward(self, floats: Tensor) -> Tensor:
        return floats


def float_head(
    layout: FloatLayout, hidden: int, norm: BuildNorm, activation: BuildActivation
) -> FloatHead | NoFloats:
    """The branch that fits `layout`, which may be empty."""
    return FloatHead(layout, hidden, norm, activation) if layout.size else NoFloats()
