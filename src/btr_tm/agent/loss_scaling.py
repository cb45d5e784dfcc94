"""Loss scaling: keeps the small gradients of half precision above zero."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from btr_tm.nets.precision import Precision


class Scaling(Protocol):
    """Multiplies the loss before the backward pass and divides the gradient after it."""

    def scaled(self, loss: Tensor) -> Tensor: ...

    def unscale(self, gradient: Tensor) -> None:
        """In place."""
        ...

    def update(self, finite: Tensor) -> None:
        """`finite` (): whether the gradient was; nothing waits for the answer."""
        ...

    def logged_norm(self, norm: Tensor) -> Tensor:
        """What to log as the norm of the last gradient."""
        ...

    def state_dict(self) -> dict[str, Tensor]: ...
    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...


class NoScaling:
    """For formats with the exponents of float32."""

    def scaled(self, loss: Tensor) -> Tensor:
        return loss

    def unscale(self, gradient: Tensor) -> None:
        pass

    def update(self, finite: Tensor) -> None:
        pass

    def logged_norm(self, norm: Tensor) -> Tensor:
        return norm

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        pass


class DynamicScaling:
    """The law of torch.amp.GradScaler without its host sync (Micikevicius et al. 2018, arXiv:1710.03740).

    The scale is multiplied by `backoff` after a gradient that was not finite, and by `growth` after
    `growth_interval` finite ones in a row, unless it would become infinite. A gradient that is not finite
    belongs to the search for the scale and is no alarm: the norm before it is logged again, until the scale
    is so small that it cannot be the cause.
    """

    _cannot_overflow = 2.0**-10

    def __init__(
        self,
        device: torch.device,
        initial: float = 2.0**16,
        growth: float = 2.0,
        backoff: float = 0.5,
        growth_interval: int = 2000,
    ) -> None:
        self.growth, self.backoff, self.growth_interval = growth, backoff, growth_interval
        self.scale = torch.full((), initial, device=device)
        self.finite_in_a_row = torch.zeros((), dtype=torch.int32, device=device)
        self.norm = torch.zeros((), device=device)  # as last logged

    def scaled(self, loss: Tensor) -> Tensor:
        return loss * self.scale

    def unscale(self, gradient: Tensor) -> None:
        gradient.div_(self.scale)

    @torch.no_grad()
    def update(self, finite: Tensor) -> None:
        count = torch.where(finite, self.finite_in_a_row + 1, 0)
        due = count == self.growth_interval
        larger = self.scale * self.growth
        grown = torch.where(due & torch.isfinite(larger), larger, self.scale)
        self.scale.copy_(torch.where(finite, grown, self.scale * self.backoff))
        self.finite_in_a_row.copy_(torch.where(due, 0, count))

    @torch.no_grad()
    def logged_norm(self, norm: Tensor) -> Tensor:
        logged = torch.isfinite(norm) | (self.scale < self._cannot_overflow)
        self.norm.copy_(torch.where(logged, norm, self.norm))
        return self.norm.clone()

    def state_dict(self) -> dict[str, Tensor]:
        return {"scale": self.scale, "finite_in_a_row": self.finite_in_a_row, "norm": self.norm}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.scale.copy_(state["scale"])
        self.finite_in_a_row.copy_(state["finite_in_a_row"])
        self.norm.copy_(state["norm"])


def for_precision(device: torch.device, precision: Precision) -> Scaling:
    """What the number format of the convolutions asks for."""
    return DynamicScaling(device) if precision == "fp16" else NoScaling()
