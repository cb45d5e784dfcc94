"""Changes of a picture that leave what it shows: for learners that are to look past them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from btr_tm.core.errors import UserError


@dataclass(frozen=True)
class Augmentation:
    """Draws for each picture its own shift, contrast and brightness, uniform within +- these.

    `shift` is in whole pixels each way, the border is repeated (Yarats et al. 2021, arXiv:2004.13649, section
    3.1); `contrast` is a share around mid grey, `brightness` in grey levels, as in `sim.appearance`.
    """

    shift: int
    contrast: float
    brightness: float

    def __post_init__(self) -> None:
        for name in ("shift", "contrast", "brightness"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} of the augmentation must be 0 or larger, got {getattr(self, name)}")

    def __call__(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """uint8 (B, C, H, W) -> uint8 of that shape; `generator` lives on its device."""
        return self._recoloured(self._shifted(image, generator), generator)

    def _shifted(self, image: Tensor, generator: torch.Generator) -> Tensor:
        rows, _, height, width = image.shape
        drawn = torch.randint(2 * self.shift + 1, (2, rows), generator=generator, device=image.device)
        padded = nn.functional.pad(image.float(), [self.shift] * 4, mode="replicate").to(torch.uint8)
        down = drawn[0, :, None] + torch.arange(height, device=image.device)  # (B, H)
        right = drawn[1, :, None] + torch.arange(width, device=image.device)  # (B, W)
        row = torch.arange(rows, device=image.device)[:, None, None]
        return padded.movedim(1, -1)[row, down[:, :, None], right[:, None, :]].movedim(-1, 1)

    def _recoloured(self, image: Tensor, generator: torch.Generator) -> Tensor:
        drawn = torch.rand(2, len(image), 1, 1, 1, generator=generator, device=image.device) * 2 - 1
        gain, offset = 1 + self.contrast * drawn[0], self.brightness * drawn[1]
        return ((image.float() - 128) * gain + 128 + offset).round().clamp(0, 255).to(torch.uint8)
