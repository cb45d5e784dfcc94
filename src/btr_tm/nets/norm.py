"""Norms between a linear layer and its activation, in the float head and both streams of the dueling head."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class NoNorm:
    """Builds nothing."""

    def __call__(self, features: int) -> nn.Module:
        return nn.Identity()


@dataclass(frozen=True)
class LayerNorm:
    """Builds layer normalisation over the features (Ba et al. 2016, arXiv:1607.06450)."""

    def __call__(self, features: int) -> nn.Module:
        return nn.LayerNorm(features)
