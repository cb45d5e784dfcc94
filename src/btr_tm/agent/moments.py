"""What becomes of the optimizer's memory when the target network is copied anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Moments(Protocol):
    """Called whenever the target network has followed."""

    def __call__(self, optimizer: torch.optim.Optimizer) -> None: ...


@dataclass(frozen=True)
class KeepMoments:
    """The optimizer goes on as before."""

    def __call__(self, optimizer: torch.optim.Optimizer) -> None:
        """Nothing changes."""


@dataclass(frozen=True)
class ResetMoments:
    """The optimizer forgets its moments and its count of steps (Asadi et al. 2023, arXiv:2306.17833).

    A copy of the target begins another regression, whose gradients the old moments do not describe. Only for
    targets that are copied now and then: after each update nothing would be left to remember.
    """

    needs_copies = True

    @torch.no_grad()
    def __call__(self, optimizer: torch.optim.Optimizer) -> None:
        for state in optimizer.state.values():
            for value in state.values():
                if isinstance(value, Tensor):  # in place: a CUDA graph knows where they are
                    value.zero_()
