"""Targets that bootstrap from one best action, or from the best action of each slot of a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from btr_tm.core.block import by_slot, of_action
from btr_tm.core.protocols import NetPair
from btr_tm.core.types import Batch, States


@dataclass(frozen=True)
class Max:
    """The target network chooses and judges: argmax of its mean, or a maximum per quantile (ancestors).

    The maximum of a block is the sum of its slots' maxima.
    """

    over: Literal["mean", "quantile"]

    @property
    def states(self) -> States:
        return "ends"

    @torch.no_grad()
    def __call__(self, nets: NetPair, batch: Batch, q_online: Tensor, taus: Tensor) -> Tensor:
        quantiles = nets.target(batch.next_obs, taus)  # (B, N, A) or (B, N, K, A)
        if self.over == "quantile":
            return bootstrap(batch, by_slot(quantiles, 2).amax(3).sum(2))
        return bootstrap(batch, of_action(quantiles, quantiles.mean(1).argmax(-1)))

    def measure(self, q: Tensor, action: Tensor) -> dict[str, Tensor]:
        return {}


@dataclass(frozen=True)
class DoubleDqn:
    """The online network chooses, the target network judges (van Hasselt et al. 2016, arXiv:1509.06461)."""

    @property
    def states(self) -> States:
        return "ends"

    @torch.no_grad()
    def __call__(self, nets: NetPair, batch: Batch, q_online: Tensor, taus: Tensor) -> Tensor:
        best = nets.online(batch.next_obs, taus).mean(1).argmax(-1)
        return bootstrap(batch, of_action(nets.target(batch.next_obs, taus), best))

    def measure(self, q: Tensor, action: Tensor) -> dict[str, Tensor]:
        return {}


def bootstrap(batch: Batch, value: Tensor) -> Tensor:
    """n-step return plus discounted `value` (B, N)."""
    return batch.reward[:, None] + batch.discount[:, None] * value
