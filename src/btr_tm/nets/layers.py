"""Small parts that all networks share: activations, norms of linear layers, and how weights begin.

Linear layers themselves are in linear.py, norms of convolution kernels in encoder/norm.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from btr_tm.nets.builders import DrawWeights

LEAKY_SLOPE = 0.01  # of Linesight's LeakyReLU
GAIN = math.sqrt(2.0 / (1.0 + LEAKY_SLOPE**2))


@dataclass(frozen=True)
class LeakyRelu:
    """Builds max(x, 0.01 x): Linesight and the published TrackMania runs. IMPALA always uses ReLU."""

    def __call__(self) -> nn.Module:
        return nn.LeakyReLU(LEAKY_SLOPE, inplace=True)


@dataclass(frozen=True)
class Relu:
    """Builds max(x, 0): BTR's paper and code, IQN, Rainbow."""

    def __call__(self) -> nn.Module:
        return nn.ReLU(inplace=True)


@dataclass(frozen=True)
class NoNorm:
    """Builds nothing between a linear layer and its activation."""

    changes_nothing = True

    def __call__(self, features: int) -> nn.Module:
        return nn.Identity()


@dataclass(frozen=True)
class LayerNorm:
    """Builds layer normalisation over the features (Ba et al. 2016, arXiv:1607.06450)."""

    def __call__(self, features: int) -> nn.Module:
        return nn.LayerNorm(features)


@dataclass(frozen=True)
class Orthogonal:
    """Orthogonal weights with a gain for each layer, zero biases (Linesight).

    The gain is sqrt(2 / (1 + 0.01^2)), times sqrt(2) in the embedding of fractions, 1 in the last layers.
    """

    def __call__(self, layer: nn.Conv2d | nn.Linear, gain: float, generator: torch.Generator) -> None:
        nn.init.orthogonal_(layer.weight, gain=gain, generator=generator)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


@dataclass(frozen=True)
class TorchDefault:
    """Weights and biases uniform within 1 / sqrt(inputs), as torch draws them by itself (BTR's code)."""

    @torch.no_grad()
    def __call__(self, layer: nn.Conv2d | nn.Linear, gain: float, generator: torch.Generator) -> None:
        bound = 1.0 / math.sqrt(layer.weight[0].numel())
        layer.weight.uniform_(-bound, bound, generator=generator)
        if layer.bias is not None:
            layer.bias.uniform_(-bound, bound, generator=generator)


class Kept:
    """Tensors that are computed now and then and read often, always from the same memory."""

    def __init__(self) -> None:
        self._memory: list[Tensor] = []

    @torch.no_grad()
    def store(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """A copy of `tensors`, over the last one; their shapes and formats never change."""
        if not self._memory:
            with torch.inference_mode(False):  # memory made in that mode could not be written outside of it
                self._memory = [torch.empty_like(tensor) for tensor in tensors]
        torch._foreach_copy_(self._memory, list(tensors))
        return self._memory


def initialise(network: nn.Module, generator: torch.Generator, weights: DrawWeights) -> None:
    """Draw all parameters of `network` anew, in place: children first, then its own `initialise`.

    Parts draw in the order in which they are registered. `weights` draws convolutions and plain linear
    layers; noisy layers and spectral norms have a rule of their own.
    """
    for child in network.children():
        initialise(child, generator, weights)
    draw = getattr(network, "initialise", None)
    if draw is not None:
        draw(generator, weights)
