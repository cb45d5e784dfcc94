"""By how much an update found a transition wrong: what prioritised replay is told."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from btr_tm.agent.batch_loss import Errors
from btr_tm.core.block import of_action


class PriorityError(Protocol):
    """(B,) how wrong the prediction for `action` (B,) or (B, K) was, without sign."""

    def __call__(self, errors: Errors, action: Tensor) -> Tensor: ...


def summed_error(errors: Errors, action: Tensor) -> Tensor:
    """(B,) sum over predicted, mean over target quantiles of |td| (BTR's code)."""
    return errors.td_abs


def mean_error(errors: Errors, action: Tensor) -> Tensor:
    """(B,) mean target minus mean prediction for `action` (B,) or (B, K), without sign (Linesight)."""
    return (errors.target - of_action(errors.q, action)).abs()
