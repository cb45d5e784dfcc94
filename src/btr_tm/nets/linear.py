"""Linear layers: plain, or with factorised parameter noise (Fortunato et al. 2018, arXiv:1706.10295)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

import torch
from torch import Tensor, nn

from btr_tm.nets.builders import DrawWeights, Role
from btr_tm.nets.layers import GAIN, Kept

BiasSigma = Literal["inputs", "outputs"]


class Linear(nn.Linear):
    """A linear layer that knows the gain of its initial weight."""

    def __init__(self, inputs: int, outputs: int, gain: float = GAIN) -> None:
        super().__init__(inputs, outputs)
        self.gain = gain

    def initialise(self, generator: torch.Generator, weights: DrawWeights) -> None:
        weights(self, self.gain, generator)


class NoisyLinear(nn.Module):
    """y = (mu + sigma * outer(f(e_out), f(e_in))) x + mu_b + sigma_b * f(e_out), f(e) = sign(e) sqrt|e|.

    There is noise after `reset_noise` and none after `disable_noise`, whatever train() or eval() say; one
    draw serves all rows. All sigmas start at sigma0 / sqrt(inputs); with `bias_sigma="outputs"` those of the
    bias start at sigma0 / sqrt(outputs), as in older BTR code.
    """

    noise_in: Tensor
    noise_out: Tensor

    def __init__(self, inputs: int, outputs: int, sigma0: float, bias_sigma: BiasSigma) -> None:
        super().__init__()
        self.inputs, self.outputs, self.sigma0 = inputs, outputs, sigma0
        self.bias_fan = inputs if bias_sigma == "inputs" else outputs
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.weight_sigma = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias_sigma = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise_in", torch.zeros(inputs))
        self.register_buffer("noise_out", torch.zeros(outputs))
        self._memory_kept, self._kept = Kept(), cast(list[Tensor], [])

    @torch.no_grad()
    def initialise(self, generator: torch.Generator, weights: DrawWeights) -> None:
        bound = 1.0 / math.sqrt(self.inputs)
        self.weight.uniform_(-bound, bound, generator=generator)
        self.bias.uniform_(-bound, bound, generator=generator)
        self.weight_sigma.fill_(self.sigma0 * bound)
        self.bias_sigma.fill_(self.sigma0 * (1.0 / math.sqrt(self.bias_fan)))

    @torch.no_grad()
    def reset_noise(self, generator: torch.Generator, samples: int = 1) -> None:
        """Draw new noise; `generator` lives on the device of the layer. All `samples` share it."""
        self._kept = []
        for noise in (self.noise_in, self.noise_out):
            noise.copy_(signed_root(noise.shape, generator))

    @torch.no_grad()
    def disable_noise(self) -> None:
        self.noise_in.zero_()
        self.noise_out.zero_()

    def fit_noise(self, generator: torch.Generator, samples: int) -> None:
        """Draw new noise if the last draw was for another number of samples; here any draw is for all."""

    def select_noise(self, samples: slice) -> None:
        """The next rows belong to these samples of the last draw; here all samples have the same noise."""

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """While this lasts, nobody changes the weights; what they are without noise is computed once."""
        self.disable_noise()
        with torch.no_grad():
            self._kept = self._memory_kept.store(self._noisy())
        try:
            yield
        finally:
            self._kept = []

    def _noisy(self) -> tuple[Tensor, Tensor]:
        """Weight and bias with the present noise."""
        weight = torch.addcmul(self.weight, self.weight_sigma, torch.outer(self.noise_out, self.noise_in))
        return weight, torch.addcmul(self.bias, self.bias_sigma, self.noise_out)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, *(self._kept or self._noisy()))


class NoisyLinearPerSample(NoisyLinear):
    """A NoisyLinear with independent noise for each sample.

    The rows (R, inputs) of a forward pass are S samples one after the other, R / S rows each, which share
    their noise: y = mu x + mu_b + f(e_out) * (sigma (f(e_in) * x) + sigma_b), without a weight per sample.
    The noise is not saved: it lasts for one update or one decision. Each number of samples has memory of its
    own, which later draws write into: a CUDA graph reads where the first draw was.
    """

    def __init__(self, inputs: int, outputs: int, sigma0: float, bias_sigma: BiasSigma) -> None:
        super().__init__(inputs, outputs, sigma0, bias_sigma)
        self._memory: dict[tuple[int, torch.device], tuple[Tensor, Tensor]] = {}
        self._drawn: tuple[Tensor, ...] = ()  # f(e_in) (S, inputs) and f(e_out) (S, outputs), or no noise
        self._chosen: tuple[Tensor, ...] = ()

    @torch.no_grad()
    def reset_noise(self, generator: torch.Generator, samples: int = 1) -> None:
        """Draw new noise for each of `samples`; `generator` lives on the device of the layer."""
        self._drawn = self._chosen = self._memory_for(samples, generator.device)
        for noise in self._drawn:
            noise.copy_(signed_root(noise.shape, generator))

    def _memory_for(self, samples: int, device: torch.device) -> tuple[Tensor, Tensor]:
        kept = self._memory.get((samples, device))
        if kept is None:
            empty = partial(torch.empty, device=device)
            kept = empty(samples, self.inputs), empty(samples, self.outputs)
            self._memory[samples, device] = kept
        return kept

    def disable_noise(self) -> None:
        self._drawn = self._chosen = ()

    def fit_noise(self, generator: torch.Generator, samples: int) -> None:
        if self._drawn and len(self._drawn[0]) != samples:
            self.reset_noise(generator, samples)

    def select_noise(self, samples: slice) -> None:
        """The next rows belong to these samples of the last draw."""
        self._chosen = tuple(noise[samples] for noise in self._drawn)

    def forward(self, x: Tensor) -> Tensor:
        mean = nn.functional.linear(x, self.weight, self.bias)
        if not self._chosen:
            return mean
        noise_in, noise_out = (noise[:, None] for noise in self._chosen)
        assert len(x) % len(noise_in) == 0, (x.shape, noise_in.shape)
        grouped = x.unflatten(0, (len(noise_in), -1))  # (S, R / S, inputs)
        spread = nn.functional.linear(grouped * noise_in, self.weight_sigma, self.bias_sigma)
        return mean + (spread * noise_out).flatten(0, 1)


def signed_root(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """f(e) = sign(e) sqrt|e| of normal draws e, on the generator's device."""
    draw = torch.randn(tuple(shape), generator=generator, device=generator.device)
    return draw.sign() * draw.abs().sqrt()


_NOISY = {"batch": NoisyLinear, "sample": NoisyLinearPerSample}


@dataclass(frozen=True)
class Plain:
    """Builds the plain linear layers of a head."""

    noisy = False

    def __call__(self, inputs: int, outputs: int, role: Role) -> nn.Module:
        return Linear(inputs, outputs, GAIN if role == "hidden" else 1.0)


@dataclass(frozen=True)
class Noisy:
    """Builds noisy layers; `last_value` says whether the last layer of the value stream is one of them.

    BTR's paper and code: noisy. The published TrackMania runs: plain. The noise of the bias starts at sigma0
    over the root of the number of inputs or outputs, as `bias_sigma` says. `draw`: one draw of noise for a
    whole batch (all of these sources), or one for each of its samples.
    """

    sigma0: float
    last_value: Literal["noisy", "plain"]
    bias_sigma: BiasSigma
    draw: Literal["batch", "sample"]
    noisy = True

    def __call__(self, inputs: int, outputs: int, role: Role) -> nn.Module:
        if role == "value" and self.last_value == "plain":
            return Plain()(inputs, outputs, role)
        return _NOISY[self.draw](inputs, outputs, self.sigma0, self.bias_sigma)
