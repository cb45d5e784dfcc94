"""Linear layers: plain, or with factorised parameter noise (Fortunato et al. 2018, arXiv:1706.10295)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from btr_tm.nets.init import GAIN, orthogonal

Role = Literal["hidden", "advantage", "value"]


class Linear(nn.Linear):
    """A linear layer that knows the gain of its orthogonal initial weight."""

    def __init__(self, inputs: int, outputs: int, gain: float = GAIN) -> None:
        super().__init__(inputs, outputs)
        self.gain = gain

    def initialise(self, generator: torch.Generator) -> None:
        orthogonal(self, self.gain, generator)


class NoisyLinear(nn.Module):
    """y = (mu + sigma * outer(f(e_out), f(e_in))) x + mu_b + sigma_b * f(e_out), f(e) = sign(e) sqrt|e|.

    Noise is present after `reset_noise` and absent after `disable_noise`, whatever train() or eval() say; one
    draw serves all rows. All sigmas start at sigma0 / sqrt(inputs).
    """

    noise_in: Tensor
    noise_out: Tensor

    def __init__(self, inputs: int, outputs: int, sigma0: float = 0.5) -> None:
        super().__init__()
        self.inputs, self.outputs, self.sigma0 = inputs, outputs, sigma0
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.weight_sigma = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias_sigma = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise_in", torch.zeros(inputs))
        self.register_buffer("noise_out", torch.zeros(outputs))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        bound = 1.0 / math.sqrt(self.inputs)
        self.weight.uniform_(-bound, bound, generator=generator)
        self.bias.uniform_(-bound, bound, generator=generator)
        self.weight_sigma.fill_(self.sigma0 * bound)
        self.bias_sigma.fill_(self.sigma0 * bound)

    @torch.no_grad()
    def reset_noise(self, generator: torch.Generator) -> None:
        """Draw new noise; `generator` lives on the device of the layer."""
        for noise in (self.noise_in, self.noise_out):
            draw = torch.randn(noise.shape, generator=generator, device=noise.device)
            torch.mul(draw.sign(), draw.abs().sqrt(), out=noise)

    @torch.no_grad()
    def disable_noise(self) -> None:
        self.noise_in.zero_()
        self.noise_out.zero_()

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.addcmul(self.weight, self.weight_sigma, torch.outer(self.noise_out, self.noise_in))
        bias = torch.addcmul(self.bias, self.bias_sigma, self.noise_out)
        return nn.functional.linear(x, weight, bias)


@dataclass(frozen=True)
class Plain:
    """Builds the plain linear layers of a head."""

    def __call__(self, inputs: int, outputs: int, role: Role = "hidden") -> nn.Module:
        return Linear(inputs, outputs, GAIN if role == "hidden" else 1.0)


@dataclass(frozen=True)
class Noisy:
    """Builds noisy layers; `last_value` says whether the last layer of the value stream is one of them.

    BTR's paper and code: noisy. The published TrackMania runs: plain.
    """

    sigma0: float = 0.5
    last_value: Literal["noisy", "plain"] = "noisy"

    def __call__(self, inputs: int, outputs: int, role: Role = "hidden") -> nn.Module:
        if role == "value" and self.last_value == "plain":
            return Plain()(inputs, outputs, role)
        return NoisyLinear(inputs, outputs, self.sigma0)
