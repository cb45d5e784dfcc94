"""Initial weights, drawn from a generator that is passed in, in the order in which parts are registered."""

from __future__ import annotations

import math

import torch
from torch import nn

LEAKY_SLOPE = 0.01  # linesight.md-compatible LeakyReLU everywhere outside IMPALA
GAIN = math.sqrt(2.0 / (1.0 + LEAKY_SLOPE**2))


def orthogonal(layer: nn.Conv2d | nn.Linear, gain: float, generator: torch.Generator) -> None:
    """Orthogonal weight, zero bias, in place."""
    nn.init.orthogonal_(layer.weight, gain=gain, generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all parameters of `network` anew, in place: children first, then its own `initialise`."""
    for child in network.children():
        initialise(child, generator)
    draw = getattr(network, "initialise", None)
    if draw is not None:
        draw(generator)
