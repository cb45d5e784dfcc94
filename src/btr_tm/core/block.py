"""Decisions of several actions, one per tick: a decision is one action, or a block of K.

Where K = 1, tensors have no axis for it: actions are (B,) or (B, K), their values (B, A) or (B, K, A).
The value of a block is the sum over its slots (Linesight's multi-action mode).
"""

from __future__ import annotations

from torch import Tensor

Block = tuple[int, ...]  # () for single actions, (K,) for blocks of K


def by_slot(values: Tensor, leading: int = 1) -> Tensor:
    """A view (*leading, K, A) of values (*leading, A) or (*leading, K, A); K is 1 for single actions."""
    return values.reshape(*values.shape[:leading], -1, values.shape[-1])


def of_action(values: Tensor, action: Tensor) -> Tensor:
    """Value of the decisions `action` (B,) or (B, K), summed over slots.

    `values` are (B, A) or (B, K, A) -> (B,), or quantiles (B, N, A) or (B, N, K, A) -> (B, N).
    """
    extra = values.dim() - action.dim() - 1  # 1 for quantiles
    slots = by_slot(values, 1 + extra)  # (B, [N,] K, A)
    index = action.reshape(len(action), *(1,) * extra, -1, 1).expand(*slots.shape[:-1], 1)
    return slots.gather(-1, index)[..., 0].sum(-1)
