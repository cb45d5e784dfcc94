"""From which moment the discount of a return is: that of its sampling, or that of its insertion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from btr_tm.replay.ring import Ring


class GammaAt(Protocol):
    """Stores what it needs and answers with the discount of sampled transitions."""

    @property
    def columns(self) -> Mapping[str, torch.dtype]:
        """Columns of the ring that it needs."""
        ...

    def note(self, gamma: float, ring: Ring) -> Mapping[str, Tensor]:
        """What is stored of one decision of all cars, `gamma` being the present discount."""
        ...

    def __call__(self, gamma: float, ring: Ring, slot: Tensor) -> float | Tensor:
        """The discount of the transitions in `slot` (B,): a number, or (B, 1)."""
        ...


class AtSampling:
    """A return is discounted with what is right when it is sampled."""

    @property
    def columns(self) -> Mapping[str, torch.dtype]:
        return {}

    def note(self, gamma: float, ring: Ring) -> Mapping[str, Tensor]:
        return {}

    def __call__(self, gamma: float, ring: Ring, slot: Tensor) -> float:
        return gamma


class AtInsertion:
    """A return keeps the discount of the moment at which its first transition was stored (Linesight).

    Linesight stores a whole race at its end; here each decision is stored when it is made.
    """

    @property
    def columns(self) -> Mapping[str, torch.dtype]:
        return {"gamma": torch.float32}

    def note(self, gamma: float, ring: Ring) -> Mapping[str, Tensor]:
        return {"gamma": torch.full((ring.cars,), gamma, device=ring.device)}

    def __call__(self, gamma: float, ring: Ring, slot: Tensor) -> Tensor:
        return ring.rows["gamma"][slot, None]
