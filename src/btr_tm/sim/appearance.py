"""How pictures of one race differ from those of another: brightness, contrast, ground, camera mounting.

Letters in shapes: E cars, V numbers that a race draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

GRAIN_M = 30.0  # distance at which half of the ground's grain is left: a patch is about a pixel of 64 x 64
PATTERNS = 2**20  # ground textures to draw from


class Variation(NamedTuple):
    """What varies in the pictures of a race, one per car or one for all: (E, 1, 1) or scalars."""

    gain: Tensor | float = 1.0  # contrast around mid grey
    offset: Tensor | float = 0.0  # brightness, grey levels
    up_m: Tensor | float = 0.0  # camera higher
    yaw: Tensor | float = 0.0  # camera turned, rad (small)
    grain: Tensor | float = 0.0  # of the ground's texture, grey levels
    pattern: Tensor | int = 0  # which texture, not negative

    def tint(self, grey: Tensor) -> Tensor:
        """Grey levels (E, H, W) with this race's contrast and brightness."""
        # In this form a gain of 1 and an offset of 0 leave every grey level exactly as it is.
        return (grey * self.gain + (128 * (1 - self.gain) + self.offset)).clamp(0, 255)

    def textured(self, grey: Tensor, nearness: Tensor, patch: Callable[[], Tensor]) -> Tensor:
        """Ground (E, H, W) with this race's grain on each patch of it, fading where patches get small."""
        square = nearness * nearness
        fade = square / (square + 1 / GRAIN_M**2)
        return (grey + self.grain * fade * _noise(patch() + self.pattern)).clamp(0, 255)


class NoVariation(Variation):
    """Nothing is changed, and nothing computed."""

    def tint(self, grey: Tensor) -> Tensor:
        """The same grey levels."""
        return grey

    def textured(self, grey: Tensor, nearness: Tensor, patch: Callable[[], Tensor]) -> Tensor:
        """The same ground."""
        return grey


NO_VARIATION = NoVariation()


@dataclass(frozen=True)
class Appearance:
    """Every race has the same pictures: the null object of appearance randomisation.

    What a race has drawn is a row of V numbers, so that it can be stored and moved with the race; here V = 0.
    """

    @property
    def size(self) -> int:
        """V, how many numbers a race draws."""
        return 0

    def plain(self, cars: int, device: torch.device) -> Tensor:
        """Rows (cars, V) that vary nothing."""
        return torch.zeros(cars, self.size, device=device)

    def draw(self, cars: int, generator: torch.Generator) -> Tensor:
        """Rows (cars, V) for `cars` new races, uniform within -1 to 1."""
        if not self.size:
            return self.plain(cars, generator.device)
        return torch.rand(cars, self.size, generator=generator, device=generator.device) * 2 - 1

    def variation(self, drawn: Tensor) -> Variation:
        """The variation of races that drew `drawn` (E, V)."""
        return NO_VARIATION


@dataclass(frozen=True)
class VariedAppearance(Appearance):
    """Each race draws its own brightness, contrast, ground texture and camera mounting within +- these."""

    contrast: float
    brightness: float  # grey levels
    grain: float  # grey levels, of the ground nearby
    camera_up_m: float
    camera_yaw_rad: float

    @property
    def size(self) -> int:
        """One number for each field of Variation."""
        return len(Variation._fields)

    def variation(self, drawn: Tensor) -> Variation:
        """The variation of races that drew `drawn` (E, V); zeros vary nothing, to the bit."""
        gain, offset, up_m, yaw, grain, pattern = drawn[:, :, None, None].unbind(1)
        return Variation(
            1 + self.contrast * gain,
            self.brightness * offset,
            self.camera_up_m * up_m,
            self.camera_yaw_rad * yaw,
            self.grain * grain,
            ((pattern + 1) * PATTERNS / 2).long(),
        )


def _noise(number: Tensor) -> Tensor:
    """A fixed value within -1 to 1 for each whole number: an int64 hash without overflow."""
    number = number.long() & 0x7FFFFFFF
    for _ in range(2):
        number = ((number ^ (number >> 16)) * 0x45D9F3B) & 0x7FFFFFFF
    return (number >> 23) / 127.5 - 1
