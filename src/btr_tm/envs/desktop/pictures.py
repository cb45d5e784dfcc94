"""Pixels of a screen as drivers see them: a part of the window, grey, of the size of the observation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.window import Rect


class Pixels(NamedTuple):
    """A part of the screen: `bgra` holds height x width x 4 bytes, row by row."""

    bgra: bytes | bytearray
    width: int
    height: int


@dataclass(frozen=True)
class Crop:
    """Which part of the window is looked at, in shares of its width and height."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            edges = [self.left, self.top, self.right, self.bottom]
            raise UserError(
                f"env.game.crop must hold 0 <= left < right <= 1 and 0 <= top < bottom <= 1, got {edges}"
            )

    def of(self, window: Rect) -> Rect:
        """That part of the screen, at least a pixel."""
        left, right = round(self.left * window.width), round(self.right * window.width)
        top, bottom = round(self.top * window.height), round(self.bottom * window.height)
        return Rect(window.left + left, window.top + top, max(1, right - left), max(1, bottom - top))


def grey_of(pixels: Pixels, height: int, width: int) -> np.ndarray:
    """(height, width) uint8: luma as ITU-R BT.601 weighs it, then means of areas."""
    size = (pixels.width, pixels.height)
    # Pillow reads BGRA as it is: 0.6 ms for 640 x 480, where a NumPy copy of the colours takes 1.2.
    colour = Image.frombuffer("RGB", size, pixels.bgra, "raw", "BGRX", 0, 1)
    small = colour.convert("L").resize((width, height), Image.Resampling.BOX)
    return np.asarray(small)
