"""What a sampler must do; the buffer builds it as `sampler(ring, generator, clock)`."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.replay.ring import Ring, Written


class Drawn(NamedTuple):
    """Sampled starts."""

    slot: Tensor  # (B,) int64
    weight: Tensor  # (B,) float32, importance-sampling weights


class Sampler(Protocol):
    """Chooses among the transitions of a ring that are alive and trained on."""

    def added(self, written: Written) -> None:
        """The ring has just stored one decision of each car."""
        ...

    def draw(self, batch_size: int) -> Drawn:
        """Sample with replacement."""
        ...

    def index(self, slot: Tensor, clock: Tensor) -> Tensor:
        """What comes back with the priorities (B,) of `slot` (B,), sampled at mini-race `clock` (B,)."""
        ...

    def update(self, index: Tensor, priority: Tensor) -> None:
        """The learner's absolute errors (B,) of the samples for which `index` gave this."""
        ...

    def odds(self) -> Tensor:
        """How likely each slot of the ring is to be drawn, up to one factor: (slots,)."""
        ...

    def measure(self) -> dict[str, Tensor | float]:
        """Figures on the priorities of what is held, by name; a host sync."""
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

    def __call__(self, ring: Ring, generator: torch.Generator, clock: Clock) -> Sampler:
        """Build the sampler of this ring."""
        ...


def new_leaves(written: Written, first: Tensor) -> tuple[Tensor, Tensor]:
    """Slots and leaves for a sum tree: `first` (E,) for the starts, 0 for what cannot be drawn."""
    start, end, retired = written
    nothing = first.new_zeros(len(retired) + len(end))
    leaf = torch.cat([nothing[len(end) :], first, nothing[: len(end)]])
    return torch.cat([retired, start, end]), leaf
