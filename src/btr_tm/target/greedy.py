"""Targets that bootstrap from one best action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from btr_tm.core.protocols import NetPair
from btr_tm.core.types import Batch


@dataclass(frozen=True)
class Max:
    """The target network chooses and judges: argmax of its mean, or a maximum per quantile (ancestors)."""

    over: Literal["mean", "quantile"] = "mean"

    @torch.no_grad()
    def __call__(self, nets: NetPair, batch: Batch, q_online: Tensor, taus: Tensor) -> Tensor:
        quantiles = nets.target(batch.next_obs, taus)  # (B, N, A)
        if self.over == "quantile":
            return bootstrap(batch, quantiles.amax(2))
        return bootstrap(batch, of_action(quantiles, quantiles.mean(1).argmax(1)))

    def measure(self, q_online: Tensor, action: Tensor) -> dict[str, Tensor]:
        return {}


@dataclass(frozen=True)
class DoubleDqn:
    """The online network chooses, the target network judges (van Hasselt et al. 2016, arXiv:1509.06461)."""

    @torch.no_grad()
    def __call__(self, nets: NetPair, batch: Batch, q_online: Tensor, taus: Tensor) -> Tensor:
        best = nets.online(batch.next_obs, taus).mean(1).argmax(1)
        return bootstrap(batch, of_action(nets.target(batch.next_obs, taus), best))

    def measure(self, q_online: Tensor, action: Tensor) -> dict[str, Tensor]:
        return {}


def of_action(quantiles: Tensor, action: Tensor) -> Tensor:
    """Quantiles (B, N) of the actions (B,) out of (B, N, A)."""
    return quantiles.gather(2, action[:, None, None].expand(-1, quantiles.shape[1], 1))[:, :, 0]


def bootstrap(batch: Batch, value: Tensor) -> Tensor:
    """n-step return plus discounted `value` (B, N)."""
    return batch.reward[:, None] + batch.discount[:, None] * value
