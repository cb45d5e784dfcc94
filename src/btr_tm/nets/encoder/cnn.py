"""The four convolutions of the TrackMania IQN baseline."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from btr_tm.nets.builders import BuildActivation
from btr_tm.nets.encoder.conv import Conv


@dataclass(frozen=True)
class CnnBody:
    """Builds 16, 32, 64 and 32 channels without padding; the smallest image is 36 x 36."""

    activation: BuildActivation
    smallest_image = 36

    def __call__(self, channels: int) -> nn.Module:
        return nn.Sequential(
            Conv(channels, 16, 4, stride=2), self.activation(),
            Conv(16, 32, 4, stride=2), self.activation(),
            Conv(32, 64, 3, stride=2), self.activation(),
            Conv(64, 32, 3), self.activation(),
        )  # fmt: skip
