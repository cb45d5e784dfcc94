"""Quantile regression with the Huber loss (Dabney et al. 2018, arXiv:1710.10044 and arXiv:1806.06923)."""

from __future__ import annotations

import torch
from torch import Tensor

from btr_tm.core.errors import UserError


def draw_taus(batch: int, count: int, generator: torch.Generator, symmetric: bool = False) -> Tensor:
    """Random fractions in (0, 1), (batch, count), on the generator's device.

    Independent and uniform, or with `symmetric` stratified and mirrored: the first half has one draw in each
    of count / 2 equal slices of (0, 0.5), the second half is 1 minus the first; `count` must be even.
    """
    if not symmetric:
        return torch.rand(batch, count, generator=generator, device=generator.device)
    assert count % 2 == 0, count
    draw = torch.rand(batch, count // 2, generator=generator, device=generator.device)
    lower = (torch.arange(count // 2, device=draw.device) + draw) / count
    return torch.cat([lower, 1.0 - lower], dim=1)


def refuse_odd(name: str, count: int, symmetric: bool) -> None:
    """Raise UserError if `count` fractions, called `name`, cannot be mirrored."""
    if symmetric and count % 2:
        raise UserError(f"{name} must be even, since half of the fractions mirror the others, got {count}")


def fixed_taus(count: int, device: torch.device | str = "cpu") -> Tensor:
    """Midpoints of `count` equal slices of (0, 1): (count,)."""
    return (torch.arange(count, device=device) + 0.5) / count


def pairwise_td(prediction: Tensor, target: Tensor) -> Tensor:
    """Errors target_j - prediction_i of all pairs: (B, N), (B, M) -> (B, N, M)."""
    return target[:, None, :] - prediction[:, :, None]


def quantile_huber(td: Tensor, taus: Tensor, kappa: float) -> Tensor:
    """Loss per sample (B,): sum over predicted, mean over target quantiles of |tau_i - 1[td < 0]| Huber(td) /
    kappa.

    `td` (B, N, M), `taus` (B, N) the fractions of the prediction (arXiv:1806.06923, equation 3).
    """
    size = td.abs()
    inside = size.clamp_max(kappa)
    huber = inside * (size - 0.5 * inside) / kappa
    weight = (taus[:, :, None] - (td.detach() < 0).to(td.dtype)).abs()
    return (weight * huber).sum(1).mean(1)
