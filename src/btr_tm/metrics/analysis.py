"""What can be read from a network's activations, values and weights. Pure functions.

Letters in shapes: B states, A actions, D features, U units of a layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def churn(before: Tensor, after: Tensor) -> Tensor:
    """Share of states whose best action differs between values `before` and `after` (..., A)."""
    return (before.argmax(-1) != after.argmax(-1)).float().mean()


def action_gap(q: Tensor) -> Tensor:
    """Mean lead of the best of (..., A) over the second-best; 0 where there is one action."""
    best = q.topk(min(2, q.shape[-1]), dim=-1).values
    return (best[..., 0] - best[..., -1]).mean()


def mean_gap(q: Tensor) -> Tensor:
    """Mean of max q - q over (..., A), the best action itself included (the published runs)."""
    return (q.amax(-1, keepdim=True) - q).mean()


def swaps(actions: Tensor) -> Tensor:
    """Share of decisions (T, ...) that differ from the decision before them; NaN for a single one."""
    return (actions[1:] != actions[:-1]).float().mean()


def driven_returns(rewards: Tensor, potentials: Tensor, gamma: float, decisions: float = math.inf) -> Tensor:
    """Discounted return (T,) float64 really collected from each decision on, as values learn to predict it.

    `rewards` (T,) without shaping; `potentials` (T + 1,) of the states on the way, the last one 0 at the
    true end of a race. Values look `decisions` ahead: what lies beyond does not count, nor does the potential
    there. Of a race that was given up, as far as it was driven.
    """
    count = len(rewards)
    earned = torch.zeros(count + 1, dtype=torch.float64)
    for decision in reversed(range(count)):
        earned[decision] = float(rewards[decision]) + gamma * earned[decision + 1]
    first = torch.arange(count)
    ahead = (count - first).clamp(max=min(decisions, count))
    shaping = torch.where(ahead < decisions, potentials[count].double(), 0.0)
    beyond = gamma ** ahead.double() * (shaping - earned[first + ahead])
    return earned[:count] + beyond - potentials[:count].double()


def dormant_share(activity: Tensor, threshold: float) -> Tensor:
    """Share of units whose score is at most `threshold` (Sokar et al. 2023, arXiv:2302.12902).

    `activity` (U,) is the mean absolute activation of each unit of one layer, the score its ratio to their
    mean. In a layer that is silent altogether every unit is dormant.
    """
    return (activity <= threshold * activity.mean()).float().mean()


def srank(singular: Tensor, delta: float = 0.01) -> Tensor:
    """How many of the singular values (D,), largest first, make up 1 - delta of their sum.

    Kumar et al. 2021, arXiv:2010.14498, section 3.
    """
    share = singular.cumsum(0) / singular.sum()
    return (share < 1.0 - delta).sum() + 1


def effective_rank(singular: Tensor) -> Tensor:
    """exp of the entropy of the singular values (D,) as a distribution (Roy and Vetterli 2007)."""
    share = singular / singular.sum()
    return torch.special.entr(share).sum().exp()


def l2(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The L2 norm of each."""
    return list(torch._foreach_norm(list(tensors)))


def rms(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The root mean square of each."""
    return [norm / tensor.numel() ** 0.5 for norm, tensor in zip(l2(tensors), tensors, strict=True)]


def largest_singular_value(kernel: Tensor) -> Tensor:
    """Of a kernel (out, ...) seen as the matrix (out, rest); exact, unlike a power iteration."""
    return torch.linalg.svdvals(kernel.detach().flatten(1).float().nan_to_num())[0]
