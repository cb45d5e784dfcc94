"""What a sampler must do; the buffer builds it as `sampler(ring, generator)`."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from btr_tm.replay.ring import Ring, Written


class Drawn(NamedTuple):
    """Sampled starts."""

    slot: Tensor  # (B,) int64
    weight: Tensor  # (B,) float32, importance weights


class Sampler(Protocol):
    """Chooses live transitions of a ring."""

    def added(self, written: Written) -> None:
        """The ring has just stored one decision of each car."""
        ...

    def draw(self, batch_size: int) -> Drawn:
        """Sample with replacement."""
        ...

    def update(self, slot: Tensor, priority: Tensor) -> None:
        """The learner's absolute errors (B,) for the slots (B,) it was given."""
        ...

    @property
    def state(self) -> dict[str, Tensor]:
        """The tensors to save, themselves and not copies."""
        ...

    def restored(self) -> None:
        """The tensors of `state` have been overwritten by a load."""
        ...


class SamplerFactory(Protocol):
    """A sampler class, or a partial of one."""

    def __call__(self, ring: Ring, generator: torch.Generator) -> Sampler:
        """Build the sampler of this ring."""
        ...
