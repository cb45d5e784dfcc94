"""From pixels to a feature vector; also for learners other than the quantile network."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from btr_tm.core.errors import UserError
from btr_tm.nets.builders import BuildBody, BuildKernelNorm, BuildPool, Pixels
from btr_tm.nets.encoder.norm import NoNorm
from btr_tm.nets.encoder.pool import NoPool
from btr_tm.nets.pixels import Centred


class ImageEncoder(nn.Module):
    """What every encoder says about itself."""

    reads_images: ClassVar[bool] = True
    out_features: int


class Encoder(ImageEncoder):
    """uint8 (B, C, H, W) -> (B, out_features), float32 or what autocast says.

    `body`, `norm` and `pool` are builders, `pixels` makes numbers of bytes. Raises UserError for images
    smaller than the body can read.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        body: BuildBody,
        norm: BuildKernelNorm = NoNorm(),  # noqa: B008 (frozen)
        pool: BuildPool = NoPool(),  # noqa: B008 (frozen)
        pixels: Pixels = Centred(),  # noqa: B008 (frozen)
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        if min(height, width) < body.smallest_image:
            raise UserError(
                f"expected images of at least {body.smallest_image} x {body.smallest_image} pixels, got "
                f"{height} x {width}; choose another encoder body or a larger image"
            )
        self.trunk = norm(body(channels))
        self.pool = pool()
        self.pixels = pixels
        self.out_features = self._count_features(image_shape)

    def forward(self, image: Tensor) -> Tensor:
        return self.pool(self.trunk(self.pixels(image))).flatten(1)

    @torch.no_grad()
    def _count_features(self, image_shape: tuple[int, int, int]) -> int:
        return self(torch.zeros(1, *image_shape, dtype=torch.uint8)).shape[1]


class NoEncoder(ImageEncoder):
    """A driver with its eyes shut: (B, C, H, W) -> (B, 0)."""

    reads_images = False
    out_features = 0

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()

    def forward(self, image: Tensor) -> Tensor:
        return image.new_zeros(image.shape[0], 0, dtype=torch.float32)
