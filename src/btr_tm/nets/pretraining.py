"""What an image encoder learns through before anybody drives: a decoder, or a projection to compare by."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from btr_tm.core.errors import UserError
from btr_tm.core.types import Obs
from btr_tm.nets.builders import BuildActivation, DrawWeights
from btr_tm.nets.encoder.conv import Conv
from btr_tm.nets.encoder.encoder import ImageEncoder
from btr_tm.nets.floats import NoFloats
from btr_tm.nets.linear import Linear
from btr_tm.nets.network import Network
from btr_tm.nets.objectives import Objective
from btr_tm.nets.precision import Precision

COARSE = 4  # pixels each way that one cell of the decoder's first map stands for


class PretrainingNet(Network):
    """An image encoder and what its features are judged by: the part that `objective` builds.

    uint8 (B, C, H, W) -> what the part makes of (B, D) features. `precision` as of `Network`; the part is
    float32. Raises UserError without an image encoder.
    """

    learns_pictures = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        encoder: Callable[[tuple[int, int, int]], ImageEncoder],
        objective: Objective,
        activation: BuildActivation,
        generator: torch.Generator,
        weights: DrawWeights,
        precision: Precision,
        device: torch.device,
    ) -> None:
        super().__init__(precision, device)
        self.encoder, self.float_head = encoder(image_shape), NoFloats()
        if not self.encoder.out_features:
            raise UserError("there is no image encoder to pretrain; choose one")
        self.objective = objective
        self.part = objective.part(self.encoder.out_features, image_shape, activation=activation)
        self.settle(generator, weights)

    def forward(self, image: Tensor) -> Tensor:
        """What the part says."""
        with self._autocast(image, "bf16", "fp16"):
            features = self.encoder(image)
        return self.part(features.float())

    def answers(self, obs: Obs, taus: int) -> Tensor:
        """What the part says of the pictures."""
        return self(obs.image)

    def last_layers(self) -> list[nn.Module]:
        return [self.part]


class Decoder(nn.Module):
    """Features (B, D) -> pictures (B, C, H, W), in the numbers that the encoder reads.

    A coarse map of `channels` channels is made larger twice, each time followed by a convolution.
    """

    def __init__(
        self, features: int, image_shape: tuple[int, int, int], channels: int, activation: BuildActivation
    ) -> None:
        super().__init__()
        colours, self.height, self.width = image_shape
        self.coarse = (channels, -(-self.height // COARSE), -(-self.width // COARSE))
        self.spread = nn.Sequential(
            Linear(features, channels * self.coarse[1] * self.coarse[2]), activation()
        )
        self.refine = nn.Sequential(
            nn.Upsample(scale_factor=2), Conv(channels, channels, 3, padding=1), activation(),
            nn.Upsample(scale_factor=2), Conv(channels, colours, 3, padding=1),
        )  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        picture = self.refine(self.spread(features).unflatten(1, self.coarse))
        return picture[..., : self.height, : self.width]


class Projection(nn.Module):
    """Features (B, D) -> (B, `size`) of length 1, through one hidden layer (Chen et al. 2020,
    arXiv:2002.05709, section 4.2: what is compared is not what is used later).
    """

    def __init__(
        self, features: int, image_shape: tuple[int, int, int], size: int, activation: BuildActivation
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Linear(features, features), activation(), Linear(features, size, gain=1.0)
        )

    def forward(self, features: Tensor) -> Tensor:
        return nn.functional.normalize(self.layers(features), dim=1)
