"""What the parts of a network are asked for: protocols of the groups encoder/*, head/* and their like."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor, nn

Role = Literal["hidden", "advantage", "value"]  # of a linear layer within a head
Atoms = tuple[int, ...]  # how many numbers make one value: () for one, (n,) for n bins


class BuildBody(Protocol):
    """Builds the convolutions for an image of `channels` channels."""

    smallest_image: int  # pixels each way that it can read

    def __call__(self, channels: int) -> nn.Module: ...


class BuildKernelNorm(Protocol):
    """Builds a module that runs `body` with other kernels, or gives `body` back."""

    def __call__(self, body: nn.Module) -> nn.Module: ...


class BuildPool(Protocol):
    """Builds what follows the last feature map."""

    def __call__(self) -> nn.Module: ...


class BuildLinear(Protocol):
    """Builds a linear layer of a head."""

    def __call__(self, inputs: int, outputs: int, role: Role) -> nn.Module: ...


class BuildNorm(Protocol):
    """Builds what stands between a linear layer and its activation."""

    def __call__(self, features: int) -> nn.Module: ...


class BuildActivation(Protocol):
    """Builds an activation."""

    def __call__(self) -> nn.Module: ...


class BuildPart(Protocol):
    """Builds what the features of an encoder for `image_shape` are judged by."""

    def __call__(
        self, features: int, image_shape: tuple[int, int, int], *, activation: BuildActivation
    ) -> nn.Module: ...


class Pixels(Protocol):
    """Turns bytes into numbers: uint8 (B, C, H, W) -> float32."""

    def __call__(self, image: Tensor) -> Tensor: ...


class DrawWeights(Protocol):
    """Draws the initial weights of a layer, in place."""

    def __call__(self, layer: nn.Conv2d | nn.Linear, gain: float, generator: torch.Generator) -> None: ...
