"""How much a sample counts by the width of its target distribution (Linesight's self-loss normalisation)."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from btr_tm.losses.quantile import pairwise_td, quantile_huber


class SelfLoss(Protocol):
    """Factors on the loss of each sample, from the targets of the whole batch."""

    @property
    def needs_batch(self) -> bool:
        """Whether `observe` must see the targets of all samples before the first factor is asked for."""
        ...

    def observe(self, target: Tensor, taus: Tensor) -> None:
        """Move running means by a training batch: target quantiles (B, M) at the fractions `taus` (B, M)."""
        ...

    def factor(self, target: Tensor, taus: Tensor) -> Tensor:
        """(B,) or a scalar, without gradient; changes nothing."""
        ...

    def state_dict(self) -> dict[str, Tensor]: ...
    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...


class NoSelfLoss:
    """Every sample counts the same."""

    needs_batch = False

    def __init__(self, device: torch.device) -> None:
        self._one = torch.ones((), device=device)

    def observe(self, target: Tensor, taus: Tensor) -> None:
        pass

    def factor(self, target: Tensor, taus: Tensor) -> Tensor:
        return self._one

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        pass


class NormalisedSelfLoss:
    """Divides the loss of a sample by the width of its target, in units of the usual width.

    width = sqrt(loss of the target quantiles against themselves); S and T are running means of the width and
    of c = max(width, S / `clamp_ratio`), moved by the share 1 - `decay` before they are used; the factor is
    T / c. Both live on the device and start at `initial`. A batch that is not finite leaves them as they are.
    Linesight moves them with its test batches too and does not save them; here test batches change nothing
    and both are saved.
    """

    needs_batch = True

    def __init__(
        self, device: torch.device, clamp_ratio: float, decay: float, initial: float, kappa: float
    ) -> None:
        self.clamp_ratio, self.decay, self.kappa = clamp_ratio, decay, kappa
        self.mean_width = torch.full((), initial, device=device)  # S
        self.mean_clamped = torch.full((), initial, device=device)  # T

    @torch.no_grad()
    def observe(self, target: Tensor, taus: Tensor) -> None:
        self._move(self.mean_width, self._width(target, taus))
        self._move(self.mean_clamped, self._clamped(target, taus))

    @torch.no_grad()
    def factor(self, target: Tensor, taus: Tensor) -> Tensor:
        return self.mean_clamped / self._clamped(target, taus)

    def _move(self, mean: Tensor, values: Tensor) -> None:
        moved = self.decay * mean + (1.0 - self.decay) * values.mean()
        mean.copy_(torch.where(torch.isfinite(moved), moved, mean))

    def _width(self, target: Tensor, taus: Tensor) -> Tensor:
        return quantile_huber(pairwise_td(target, target), taus, self.kappa).sqrt()

    def _clamped(self, target: Tensor, taus: Tensor) -> Tensor:
        return torch.maximum(self._width(target, taus), self.mean_width / self.clamp_ratio)

    def state_dict(self) -> dict[str, Tensor]:
        return {"mean_width": self.mean_width, "mean_clamped": self.mean_clamped}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.mean_width.copy_(state["mean_width"])
        self.mean_clamped.copy_(state["mean_clamped"])
