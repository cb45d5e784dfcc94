"""How uint8 pixels (B, C, H, W) become the float32 numbers that an encoder reads, channels last in memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Centred:
    """(x - 128) / 128, in [-1, 0.992]: Linesight and the published TrackMania runs."""

    def __call__(self, image: Tensor) -> Tensor:
        return image.to(torch.float32, memory_format=torch.channels_last).sub_(128.0).mul_(1.0 / 128.0)


@dataclass(frozen=True)
class Unit:
    """x / 255, in [0, 1]: BTR's code and the Atari agents before it."""

    def __call__(self, image: Tensor) -> Tensor:
        return image.to(torch.float32, memory_format=torch.channels_last).mul_(1.0 / 255.0)
