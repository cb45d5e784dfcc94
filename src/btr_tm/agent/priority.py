"""By how much an update found a transition wrong: what prioritised replay is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from btr_tm.agent.batch_loss import Errors
from btr_tm.core.block import of_action


class PriorityError(Protocol):
    """(B,) how wrong the prediction for `action` (B,) or (B, K) was, without sign."""

    def __call__(self, errors: Errors, action: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class SummedError:
    """Sum over predicted, mean over target quantiles of |td| (BTR's code)."""

    def __call__(self, errors: Errors, action: Tensor) -> Tensor:
        return errors.td_abs


@dataclass(frozen=True)
class MeanError:
    """Mean target minus mean prediction, without sign (Linesight)."""

    def __call__(self, errors: Errors, action: Tensor) -> Tensor:
        return (errors.target - of_action(errors.q, action)).abs()
