"""From pixels to a feature vector; also for learners other than the quantile network."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from btr_tm.core.errors import UserError
from btr_tm.nets.builders import BuildBody, BuildKernelNorm, BuildPool, Pixels


class ImageEncoder(nn.Module):
    """The base of all encoders."""

    reads_images: ClassVar[bool] = True
    out_features: int


class Encoder(ImageEncoder):
    """uint8 (B, C, H, W) -> (B, out_features), float32 or what autocast says.

    `body`, `norm` and `pool` are builders, `pixels` turns bytes into numbers. Raises UserError for images
    smaller than the body can read.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        body: BuildBody,
        norm: BuildKernelNorm,
        pool: BuildPool,
        pixels: Pixels,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        if min(height, width) < body.smallest_image:
            raise UserError(
                f"images must have at least {body.smallest_image} x {body.smallest_image} pixels for this "
                f"encoder body, got {height} x {width}; choose another body or a larger image"
            )
        self.image_shape = image_shape
        self.trunk = norm(body(channels))
        self.pool = pool()
        self.pixels = pixels
        self.out_features = self._count_features(image_shape)

    def forward(self, image: Tensor) -> Tensor:
        return self.pooled(self.last_map(image))

    def last_map(self, image: Tensor) -> Tensor:
        """What the pool reads: (B, channels, h, w)."""
        return self.trunk(self.pixels(image))

    def pooled(self, seen: Tensor) -> Tensor:
        """Features (B, out_features) of a last map."""
        return self.pool(seen).flatten(1)

    @torch.no_grad()
    def _count_features(self, image_shape: tuple[int, int, int]) -> int:
        return self(torch.zeros(1, *image_shape, dtype=torch.uint8)).shape[1]


class NoEncoder(ImageEncoder):
    """No image features: (B, C, H, W) -> (B, 0)."""

    reads_images = False
    out_features = 0

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()

    def forward(self, image: Tensor) -> Tensor:
        return image.new_zeros(image.shape[0], 0, dtype=torch.float32)
