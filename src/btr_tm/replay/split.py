"""Which transitions are set aside to test with, and never trained on."""

from __future__ import annotations

import copy
from typing import Protocol

import torch
from torch import Tensor

from btr_tm.replay.queue import NoQueue, StartQueue

TEST_SHARE = 0.05  # Linesight
REDRAW = 0.1  # Linesight: chance that a car draws again before a decision within a race


class Split(Protocol):
    """Decides for every decision of every car; the buffer builds it as `split(cars, generator)`."""

    @property
    def queue(self) -> type[StartQueue] | type[NoQueue]:
        """What holds the transitions that are set aside."""
        ...

    @property
    def train_share(self) -> float:
        """The share of transitions that is trained on."""
        ...

    def __call__(self, ended: Tensor) -> Tensor:
        """Which decisions (E,) are for tests; `ended` (E,) bool: a race ends with them."""
        ...

    def part(self, cars: slice) -> Split:
        """The split of some cars, over the same state."""
        ...

    @property
    def state(self) -> dict[str, Tensor]:
        """The tensors to save, themselves and not copies."""
        ...


class SplitFactory(Protocol):
    """A class of splits, or a partial of one."""

    def __call__(self, cars: int, generator: torch.Generator) -> Split: ...


class NoSplit:
    """Everything is trained on."""

    queue = NoQueue
    train_share = 1.0

    def __init__(self, cars: int, generator: torch.Generator) -> None:
        self._none = torch.zeros(cars, dtype=torch.bool, device=generator.device)

    def __call__(self, ended: Tensor) -> Tensor:
        return self._none

    def part(self, cars: slice) -> NoSplit:
        part = copy.copy(self)
        part._none = self._none[cars]
        return part

    @property
    def state(self) -> dict[str, Tensor]:
        return {}


class Contiguous:
    """Stretches of races: a car draws when a race begins, then before one decision in ten (Linesight).

    5 % of the draws, and so of all transitions, are for tests.
    """

    queue = StartQueue
    train_share = 1.0 - TEST_SHARE

    def __init__(self, cars: int, generator: torch.Generator) -> None:
        self._generator = generator
        self._test = torch.zeros(cars, dtype=torch.bool, device=generator.device)
        self._begins = torch.ones(cars, dtype=torch.bool, device=generator.device)

    def __call__(self, ended: Tensor) -> Tensor:
        u = torch.rand(2, len(self._test), generator=self._generator, device=self._generator.device)
        drawn = torch.where(self._begins | (u[0] < REDRAW), u[1] < TEST_SHARE, self._test)
        self._test.copy_(drawn)
        self._begins.copy_(ended)
        return drawn

    def part(self, cars: slice) -> Contiguous:
        part = copy.copy(self)
        part._test, part._begins = self._test[cars], self._begins[cars]
        return part

    @property
    def state(self) -> dict[str, Tensor]:
        return {"split_test": self._test, "split_begins": self._begins}


class PerTransition:
    """Each transition by itself, 14.5 % of them for tests (published runs).

    Their code means Linesight's rule and computes 1 - 0.95 * 0.9. Neighbours on both sides of the split share
    frames and rewards, so that such a test says little.
    """

    queue = StartQueue
    train_share = (1.0 - TEST_SHARE) * (1.0 - REDRAW)

    def __init__(self, cars: int, generator: torch.Generator) -> None:
        self._cars, self._generator = cars, generator

    def __call__(self, ended: Tensor) -> Tensor:
        u = torch.rand(self._cars, generator=self._generator, device=self._generator.device)
        return u >= self.train_share

    def part(self, cars: slice) -> PerTransition:
        return PerTransition(len(range(self._cars)[cars]), self._generator)

    @property
    def state(self) -> dict[str, Tensor]:
        return {}
