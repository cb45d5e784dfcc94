"""The building blocks of encoder bodies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from btr_tm.nets.builders import DrawWeights
from btr_tm.nets.layers import GAIN

REGISTER_BYTES = 64  # of AVX-512


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
        return self.second(torch.relu_(self.first(torch.relu(x)))).add_(x)


class MaxPool(nn.MaxPool2d):
    """The maximum of three by three pixels at every second one.

    Equal to torch's, whose kernel on the CPU takes channels one by one if they do not fill a vector register;
    for so few, and where no gradient is wanted, this takes whole rows of pixels at once.
    """

    def __init__(self) -> None:
        super().__init__(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H / 2, W / 2), rounded up."""
        ours = x.is_cpu and not torch.compiler.is_compiling()  # which makes a kernel of its own
        few = ours and x.shape[1] * x.element_size() < REGISTER_BYTES
        even = x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0
        if few and even and not (x.requires_grad and torch.is_grad_enabled()):
            return of_columns(of_rows(x.permute(0, 2, 3, 1).contiguous())).permute(0, 3, 1, 2)
        return super().forward(x)


def of_rows(x: Tensor) -> Tensor:
    """Maximum of the rows 2i - 1, 2i and 2i + 1: (B, H, W, C) -> (B, H / 2, W, C)."""
    at, after = x[:, 0::2], x[:, 1::2]
    most = torch.maximum(at, after)
    torch.maximum(most[:, 1:], after[:, :-1], out=most[:, 1:])
    return most


def of_columns(x: Tensor) -> Tensor:
    """Likewise, of columns: (B, H, W, C) -> (B, H, W / 2, C)."""
    at, after = x.unflatten(2, (-1, 2)).flatten(3).chunk(2, dim=3)
    most = torch.maximum(at, after)
    torch.maximum(most[:, :, 1:], after[:, :, :-1], out=most[:, :, 1:])
    return most
