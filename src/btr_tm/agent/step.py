"""From gradients to parameters: clipping, optimizer, weight decay, and nothing if a number is not finite."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class GuardedStep:
    """Applies one update to `parameters`, or leaves them as they are if the gradient norm is not finite.

    The choice is made on the device, without a host sync. `clip_norm` bounds the global gradient norm; after
    the step all parameters shrink by the share `weight_decay_ratio` * learning rate (decoupled, biases and
    norms included).
    """

    clip_norm: float = 10.0
    weight_decay_ratio: float = 0.0

    @torch.no_grad()
    def __call__(
        self, parameters: Iterable[nn.Parameter], optimizer: torch.optim.Optimizer, rate: float
    ) -> Tensor:
        """Returns the gradient norm before clipping, not finite if the update was refused."""
        moved: list[Tensor] = [parameter for parameter in parameters if parameter.grad is not None]
        before = [parameter.detach().clone() for parameter in moved]
        norm = nn.utils.clip_grad_norm_(moved, self.clip_norm, foreach=True)
        finite = torch.isfinite(norm)
        for parameter in moved:  # moments would keep a NaN for ever
            gradient = parameter.grad
            assert gradient is not None
            gradient.copy_(torch.where(finite, gradient, 0.0))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        torch._foreach_mul_(moved, 1.0 - self.weight_decay_ratio * rate)
        for parameter, old in zip(moved, before, strict=True):
            parameter.copy_(torch.where(finite, parameter, old))
        return norm
