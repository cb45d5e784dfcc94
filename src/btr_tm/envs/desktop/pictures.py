"""Pixels of a screen as drivers see them: a part of the window, grey, of the size of the observation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from btr_tm.core.errors import UserError
from btr_tm.core.kernels import ZERO, Floats, kernel
from btr_tm.envs.desktop.window import Rect
from btr_tm.envs.luma import BITS, BLUE, GREEN, RED

F = np.float32


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
    """(height, width) uint8: luma, then means of areas."""
    bgra = np.frombuffer(pixels.bgra, np.uint8).reshape(pixels.height, 4 * pixels.width)
    grey = np.empty((height, width), np.uint8)
    shrink(bgra, np.empty(pixels.width, np.float32), grey)
    return grey


@kernel
def shrink(bgra: NDArray[np.uint8], sums: Floats, grey: NDArray[np.uint8]) -> None:
    """`grey` (H, W) from the rows of 4-byte pixels `bgra` (h, 4 w), with room for `sums` (w,) of columns.

    In one pass: colours are read once, and nothing of the size of the window is written.
    """
    (height, width), rows, columns = grey.shape, len(bgra), len(sums)
    tall, wide = rows / height, columns / width
    scale = F(tall * wide * (1 << BITS))
    for y in range(height):
        sums[:] = ZERO
        top, bottom = y * tall, (y + 1) * tall
        for row in range(int(top), min(rows, int(np.ceil(bottom)))):
            share = F(min(row + 1.0, bottom) - max(float(row), top))
            for column in range(columns):
                blue, green, red = bgra[row, 4 * column], bgra[row, 4 * column + 1], bgra[row, 4 * column + 2]
                sums[column] += share * F(BLUE * blue + GREEN * green + RED * red)
        for x in range(width):
            left, right, total = x * wide, (x + 1) * wide, ZERO
            for column in range(int(left), min(columns, int(np.ceil(right)))):
                total += F(min(column + 1.0, right) - max(float(column), left)) * sums[column]
            grey[y, x] = np.uint8(total / scale + F(0.5))
