"""Pictures of the game as drivers see them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from btr_tm.envs.luma import BITS, BLUE, GREEN, HALF, RED


def grey_of(pixels: bytes, height: int, width: int) -> Tensor:
    """A picture (1, 1, H, W) uint8 from H x W pixels of 4 bytes, BGRA, row by row."""
    bgra = np.frombuffer(pixels, np.uint8).reshape(height, width, 4).astype(np.uint32)
    grey = (bgra[..., 0] * BLUE + bgra[..., 1] * GREEN + bgra[..., 2] * RED + HALF) >> BITS
    return torch.from_numpy(grey.astype(np.uint8))[None, None]


def pixels_of(grey: Tensor) -> bytes:
    """The reverse, for a stand-in of the game: BGRA bytes of a grey picture (H, W) uint8."""
    plane = grey.numpy()
    return np.stack((plane, plane, plane, np.full_like(plane, 255)), axis=-1).tobytes()
