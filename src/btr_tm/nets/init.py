"""Initial weights, drawn from a generator that is passed in, in the order in which parts are registered."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

LEAKY_SLOPE = 0.01  # of Linesight's LeakyReLU
GAIN = math.sqrt(2.0 / (1.0 + LEAKY_SLOPE**2))

DrawWeights = Callable[[nn.Conv2d | nn.Linear, float, torch.Generator], None]


def orthogonal(layer: nn.Conv2d | nn.Linear, gain: float, generator: torch.Generator) -> None:
    """Orthogonal weight, zero bias, in place."""
    nn.init.orthogonal_(layer.weight, gain=gain, generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


@dataclass(frozen=True)
class Orthogonal:
    """Orthogonal weights with a gain for each layer, zero biases (Linesight).

    The gain is sqrt(2 / (1 + 0.01^2)), times sqrt(2) in the embedding of fractions, 1 in the last layers.
    """

    def __call__(self, layer: nn.Conv2d | nn.Linear, gain: float, generator: torch.Generator) -> None:
        orthogonal(layer, gain, generator)


@dataclass(frozen=True)
class TorchDefault:
    """Weights and biases uniform within 1 / sqrt(inputs), which is what torch does unasked (BTR's code)."""

    @torch.no_grad()
    def __call__(self, layer: nn.Conv2d | nn.Linear, gain: float, generator: torch.Generator) -> None:
        bound = 1.0 / math.sqrt(layer.weight[0].numel())
        layer.weight.uniform_(-bound, bound, generator=generator)
        if layer.bias is not None:
            layer.bias.uniform_(-bound, bound, generator=generator)


def initialise(
    network: nn.Module,
    generator: torch.Generator,
    weights: DrawWeights = Orthogonal(),  # noqa: B008 (frozen)
) -> None:
    """Draw all parameters of `network` anew, in place: children first, then its own `initialise`.

    `weights` draws convolutions and plain linear layers; noisy layers and norms have a law of their own.
    """
    for child in network.children():
        initialise(child, generator, weights)
    draw = getattr(network, "initialise", None)
    if draw is not None:
        draw(generator, weights)
