"""What features of the state go through before the fractions and the streams of the head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from btr_tm.nets.builders import BuildActivation, BuildLinear, BuildNorm
from btr_tm.nets.heads import hidden_layer


@dataclass(frozen=True)
class NoBackbone:
    """Builds nothing: (B, D) stays (B, D)."""

    def __call__(self, features: int) -> tuple[nn.Module, int]:
        return nn.Identity(), features


@dataclass(frozen=True)
class SharedBackbone:
    """Builds one hidden layer that all fractions and both streams of the head share: (B, D) -> (B, hidden).

    Its linear layer, norm and activation are those of the head, noise among them.
    """

    hidden: int
    linear: BuildLinear
    norm: BuildNorm
    activation: BuildActivation

    def __call__(self, features: int) -> tuple[nn.Module, int]:
        layer = hidden_layer(features, self.hidden, self.linear, self.norm, self.activation)
        return layer, self.hidden


BuildBackbone = Callable[[int], tuple[nn.Module, int]]  # the module, and how many features it gives
