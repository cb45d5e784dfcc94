"""The building blocks of encoder bodies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from btr_tm.nets.init import GAIN, DrawWeights

_STRIP = 4  # pixels of a row that one matrix row makes; 8 is as fast


class Conv(nn.Conv2d):
    """A convolution that knows the gain of its initial kernel."""

    def initialise(self, generator: torch.Generator, weights: DrawWeights) -> None:
        weights(self, GAIN, generator)


class Stem(Conv):
    """A 3 x 3 convolution with padding that reads the image, (B, C, H, W) -> (B, outputs, H, W).

    In bf16 on a CPU a grey image goes through a matrix product instead: torch's convolutions of one channel
    take several times as long there, forward and backward (docs/performance.md).
    """

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(channels, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        reduced = x.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        if reduced and x.shape[1] == 1 and x.shape[3] % _STRIP == 0:
            return in_strips(x, self.weight, self.bias)
        return super().forward(x)


def in_strips(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution of (B, 1, H, W) with (O, 1, 3, 3), padding 1, as one product; channels last in memory.

    A row of the left matrix is what _STRIP neighbouring pixels see, 3 x (_STRIP + 2) of them; the right one
    has a copy of the kernel for each of these pixels, shifted.
    """
    assert bias is not None
    images, _, height, width = x.shape
    seen = nn.functional.pad(x[:, 0].to(torch.get_autocast_dtype("cpu")), (1, 1, 1, 1))
    seen = seen.unfold(1, 3, 1).unfold(2, _STRIP + 2, _STRIP)  # (B, H, W / _STRIP, 3, _STRIP + 2)
    rows = seen.reshape(-1, 3 * (_STRIP + 2))
    shifted = torch.stack([nn.functional.pad(weight[:, 0], (i, _STRIP - 1 - i)) for i in range(_STRIP)])
    out = nn.functional.linear(rows, shifted.view(-1, rows.shape[1]), bias.repeat(_STRIP))
    return out.view(images, height, width, -1).permute(0, 3, 1, 2)


class Residual(nn.Module):
    """x + conv(relu(conv(relu(x)))), the pre-activation block of IMPALA."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Conv(channels, channels, 3, padding=1)
        self.second = Conv(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu_(self.first(torch.relu(x))))


class HalvingPool(nn.MaxPool2d):
    """The maximum of 3 x 3 pixels, every second one: (B, C, H, W) -> (B, C, ceil(H / 2), ceil(W / 2)).

    Where nobody will ask for a gradient it does not look for the places of the maxima, which on a CPU is up
    to three times as fast and gives the same numbers.
    """

    def __init__(self) -> None:
        super().__init__(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or (torch.is_grad_enabled() and x.requires_grad):
            return super().forward(x)
        return _of_three(_of_three(x, 2), 3)


def _of_three(x: Tensor, dim: int) -> Tensor:
    """The maxima of x[2 i - 1], x[2 i], x[2 i + 1] along `dim`; without gradient."""
    before = (slice(None),) * dim
    best = x[(*before, slice(0, None, 2))].clone()
    odd = x[(*before, slice(1, None, 2))]
    for part, others in ((best.narrow(dim, 0, odd.shape[dim]), odd), (best[(*before, slice(1, None))], odd)):
        torch.maximum(part, others.narrow(dim, 0, part.shape[dim]), out=part)
    return best
