"""How features of the state and quantile fractions are joined."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from btr_tm.nets.builders import BuildActivation
from btr_tm.nets.layers import GAIN
from btr_tm.nets.linear import Linear


def cosine_features(taus: Tensor, count: int, first: int) -> Tensor:
    """cos(pi i tau) for i = first .. first + count - 1: (B, N) -> (B, N, count)."""
    frequencies = math.pi * torch.arange(first, first + count, device=taus.device, dtype=taus.dtype)
    return torch.cos(taus[..., None] * frequencies)


class CosineFusion(nn.Module):
    """Features times an embedding of the fraction (Dabney et al. 2018, arXiv:1806.06923, equation 4).

    (B, D) and (B, N), or (1, N) for all, -> (B, N, D). `first_cosine` is 1 in Dopamine and the TrackMania
    agents, 0 in BTR's code, where the first feature is the constant 1.
    """

    def __init__(self, features: int, cosines: int, first_cosine: int, activation: BuildActivation) -> None:
        super().__init__()
        self.cosines, self.first_cosine = cosines, first_cosine
        self.embedding = Linear(cosines, features, gain=math.sqrt(2.0) * GAIN)
        self.activation = activation()

    def forward(self, features: Tensor, taus: Tensor) -> Tensor:
        embedding = self.activation(self.embedding(cosine_features(taus, self.cosines, self.first_cosine)))
        return features[:, None, :].to(embedding.dtype) * embedding
