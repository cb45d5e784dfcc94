"""How far the outputs of a network are from a target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from btr_tm.core.bins import Bins
from btr_tm.core.errors import UserError
from btr_tm.losses.quantile import pairwise_td, quantile_huber


class Scores(NamedTuple):
    """Of each sample."""

    loss: Tensor  # (B,)
    td_abs: Tensor  # (B,) sum over what was predicted, mean over what the target holds, of |td|; no gradient


class ValueLoss(Protocol):
    """Scores what the network gave for the decisions taken."""

    def __call__(self, outputs: Tensor, target: Tensor, taus: Tensor) -> Scores:
        """`outputs` (B, n), values `target` (B, M); `taus` (B, N) are the fractions of the prediction."""
        ...

    def measure(self, target: Tensor) -> dict[str, Tensor]:
        """Scalars by name on mean targets (B,)."""
        ...


@dataclass(frozen=True)
class QuantileHuber:
    """The quantile loss with the Huber threshold `kappa`; outputs are the quantiles."""

    kappa: float

    def __call__(self, outputs: Tensor, target: Tensor, taus: Tensor) -> Scores:
        td = pairwise_td(outputs, target)
        return Scores(quantile_huber(td, taus, self.kappa), td.detach().abs().sum(1).mean(1))

    def measure(self, target: Tensor) -> dict[str, Tensor]:
        """Every target can be met."""
        return {}


@dataclass(frozen=True)
class HlGauss:
    """Cross entropy between a distribution over bins and a normal one around the mean of the target.

    HL-Gauss (Imani and White 2018, arXiv:1806.04613), for values as in Farebrother et al. (2024,
    arXiv:2403.03950): outputs are logits of `bins`, and the target is N(y, (`sigma` * width of a bin)^2), cut
    off at the ends. A mean beyond an end counts as that end. Raises UserError if `sigma` is not positive.
    """

    bins: Bins
    sigma: float

    def __post_init__(self) -> None:
        if not self.sigma > 0:
            raise UserError(f"sigma must be larger than 0, got {self.sigma}")

    def __call__(self, outputs: Tensor, target: Tensor, taus: Tensor) -> Scores:
        mean = target.mean(1)
        loss = -(self.shares(mean) * torch.log_softmax(outputs, 1)).sum(1)
        return Scores(loss, (mean - self.bins.mean(outputs.detach())).abs())

    def measure(self, target: Tensor) -> dict[str, Tensor]:
        """How many targets lie beyond the bins, where actions cannot be told apart."""
        outside = (target < self.bins.low) | (target > self.bins.high)
        return {"target_outside_bins": outside.float().mean()}

    def shares(self, mean: Tensor) -> Tensor:
        """Of each bin in the distribution around each mean: (B,) -> (B, count)."""
        inside = mean.clamp(self.bins.low, self.bins.high)
        z = (self.bins.edges(mean) - inside[:, None]) / (math.sqrt(2.0) * self.sigma * self.bins.width)
        below = torch.special.erf(z)
        return below.diff(dim=1) / (below[:, -1:] - below[:, :1])
