"""Every live transition is equally likely."""

from __future__ import annotations

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.replay.ring import Ring, Written
from btr_tm.replay.sampler.sampler import Drawn


class Uniform:
    """Uniform sampling with replacement; priorities are ignored."""

    def __init__(self, ring: Ring, generator: torch.Generator, clock: Clock) -> None:
        self._ring = ring
        self._generator = generator

    def added(self, written: Written) -> None:
        """Nothing to note."""

    def draw(self, batch_size: int) -> Drawn:
        """Slots (B,) and weights of one."""
        slot = self._ring.train.draw(batch_size, self._generator)
        return Drawn(slot, torch.ones(batch_size, device=self._ring.device))

    def index(self, slot: Tensor, clock: Tensor) -> Tensor:
        """The slots."""
        return slot

    def update(self, index: Tensor, priority: Tensor) -> None:
        """Nothing to note."""

    def odds(self) -> Tensor:
        """1 where a transition is alive that is trained on."""
        ring = self._ring
        alive = ring.age() <= (ring.cursor - ring.low).repeat_interleave(ring.slots_per_car)
        return (alive & ring.trainable(torch.arange(ring.slots, device=ring.device))).float()

    def measure(self) -> dict[str, Tensor | float]:
        """There are no priorities."""
        return {}

    @property
    def state(self) -> dict[str, Tensor]:
        """Nothing to save."""
        return {}

    def restored(self) -> None:
        """Nothing to rebuild."""
