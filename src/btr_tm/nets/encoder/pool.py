"""What happens to the last feature map before it is flattened."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class NoPool:
    """Builds nothing: the whole map is flattened."""

    def __call__(self) -> nn.Module:
        return nn.Identity()


@dataclass(frozen=True)
class GlobalAveragePool:
    """Builds a mean over the whole map: one feature per channel (Trumpp et al. 2025, Impoola)."""

    def __call__(self) -> nn.Module:
        return nn.AdaptiveAvgPool2d(1)


@dataclass(frozen=True)
class AdaptiveMaxPool:
    """Builds a max-pool to size x size cells, whatever the image size; smaller maps are repeated."""

    size: int

    def __call__(self) -> nn.Module:
        return nn.AdaptiveMaxPool2d(self.size)
