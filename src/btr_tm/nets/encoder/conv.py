"""The building blocks of encoder bodies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from btr_tm.nets.init import GAIN, DrawWeights


class Conv(nn.Conv2d):
    """A convolution that knows the gain of its initial kernel."""

    def initialise(self, generator: torch.Generator, weights: DrawWeights) -> None:
        weights(self, GAIN, generator)


class Residual(nn.Module):
    """x + conv(relu(conv(relu(x)))), the pre-activation block of IMPALA."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Conv(channels, channels, 3, padding=1)
        self.second = Conv(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu_(self.first(torch.relu(x))))
