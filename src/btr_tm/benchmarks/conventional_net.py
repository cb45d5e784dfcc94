"""BTR's network in the usual eager way, for comparison: plain modules, NCHW, float32, torch's spectral norm.

Written from the description in Clark et al. 2024 (arXiv:2411.03820); nothing here is tuned, and no agent
uses it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

# Letters in shapes: B batch, N fractions, A actions, D features.


class NoisyLinear(nn.Module):
    """Factorised noise (Fortunato et al. 2018), kept as a whole matrix between two draws."""

    weight_epsilon: Tensor
    bias_epsilon: Tensor

    def __init__(self, inputs: int, outputs: int, sigma0: float = 0.5) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        bound = 1.0 / math.sqrt(inputs)
        self.weight_mu = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias_mu = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
        self.weight_sigma = nn.Parameter(torch.full((outputs, inputs), sigma0 * bound))
        self.bias_sigma = nn.Parameter(torch.full((outputs,), sigma0 * bound))
        self.register_buffer("weight_epsilon", torch.zeros(outputs, inputs))
        self.register_buffer("bias_epsilon", torch.zeros(outputs))

    def reset_noise(self) -> None:
        noise_in, noise_out = self._noise(self.inputs), self._noise(self.outputs)
        self.weight_epsilon.copy_(torch.outer(noise_out, noise_in))
        self.bias_epsilon.copy_(noise_out)

    def _noise(self, size: int) -> Tensor:
        draw = torch.randn(size, device=self.weight_mu.device)
        return draw.sign() * draw.abs().sqrt()

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight_mu + self.weight_sigma * self.weight_epsilon
        bias = self.bias_mu + self.bias_sigma * self.bias_epsilon
        return nn.functional.linear(x, weight, bias)


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(relu(x)))), both kernels spectrally normalised at every forward pass."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1))
        self.second = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu(self.first(torch.relu(x))))


class ConventionalNet(nn.Module):
    """uint8 images (B, C, H, W) and fractions (B, N) -> quantiles (B, N, A)."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        actions: int,
        model_size: float = 2.0,
        pool: int = 6,
        hidden: int = 512,
        cosines: int = 64,
    ) -> None:
        super().__init__()
        widths = [round(width * model_size) for width in (16, 32, 32)]
        layers: list[nn.Module] = []
        for inputs, outputs in zip([image_shape[0], *widths], widths, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(3, stride=2, padding=1)]
            layers += [ResidualBlock(outputs), ResidualBlock(outputs)]
        self.body = nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveMaxPool2d(pool), nn.Flatten())
        features = widths[-1] * pool**2
        self.cosines = cosines
        self.embedding = nn.Linear(cosines, features)
        self.value = nn.Sequential(NoisyLinear(features, hidden), nn.ReLU(), NoisyLinear(hidden, 1))
        self.advantage = nn.Sequential(NoisyLinear(features, hidden), nn.ReLU(), NoisyLinear(hidden, actions))

    def forward(self, image: Tensor, taus: Tensor) -> Tensor:
        batch, count = taus.shape
        features = self.body(image.float() / 255.0)  # (B, D)
        steps = torch.arange(self.cosines, device=taus.device, dtype=taus.dtype)
        cosine = torch.cos(taus.view(batch * count, 1) * steps * math.pi)
        embedded = torch.relu(self.embedding(cosine)).view(batch, count, -1)
        mixed = (features.unsqueeze(1) * embedded).view(batch * count, -1)
        value, advantage = self.value(mixed), self.advantage(mixed)
        quantiles = value + advantage - advantage.mean(dim=1, keepdim=True)
        return quantiles.view(batch, count, -1)

    def reset_noise(self) -> None:
        for module in self.modules():
            if isinstance(module, NoisyLinear):
                module.reset_noise()
