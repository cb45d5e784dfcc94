"""The one place where uint8 pixels become numbers."""

from __future__ import annotations

import torch
from torch import Tensor


def to_float(image: Tensor) -> Tensor:
    """uint8 (B, C, H, W) -> float32 in [-1, 0.992], channels last in memory."""
    return image.to(torch.float32, memory_format=torch.channels_last).sub_(128.0).mul_(1.0 / 128.0)
