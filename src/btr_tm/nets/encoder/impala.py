"""The residual network of IMPALA (Espeholt et al. 2018, arXiv:1802.01561, figure 3 right)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from btr_tm.core.errors import UserError
from btr_tm.nets.encoder.conv import Conv, Residual
from btr_tm.nets.encoder.max_pool import MaxPool

WIDTHS = (16, 32, 32)  # channels of the stages


@dataclass(frozen=True)
class ImpalaBody:
    """Builds three stages of 16, 32 and 32 channels times `model_size`: convolution, max-pool, two residual
    blocks.

    BTR uses model_size 2. Fractions are rounded to whole channels.
    """

    model_size: float
    smallest_image = 3

    def __post_init__(self) -> None:
        if round(WIDTHS[0] * self.model_size) < 1:
            least = 1 / WIDTHS[0]
            raise UserError(
                f"impala_model_size must leave a channel, {least} or larger, got {self.model_size}"
            )

    def __call__(self, channels: int) -> nn.Module:
        layers: list[nn.Module] = []
        for outputs in (round(width * self.model_size) for width in WIDTHS):
            layers += [
                Conv(channels, outputs, 3, padding=1),
                MaxPool(),
                Residual(outputs),
                Residual(outputs),
            ]
            channels = outputs
        return Impala(*layers, nn.ReLU(inplace=True))


class Impala(nn.Sequential):
    """Each convolution before a pool runs together with it."""

    def forward(self, x: Tensor) -> Tensor:
        layers = iter(self)
        for layer in layers:
            x = cast(MaxPool, next(layers)).of(layer, x) if isinstance(layer, Conv) else layer(x)
        return x
