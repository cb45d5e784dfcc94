"""Which transitions of a ring may be drawn: their slots, in the order in which they came."""

from __future__ import annotations

import copy
from typing import Protocol

import torch
from torch import Tensor


class Queue(Protocol):
    """Starts of each car that may be drawn; E cars."""

    def push(self, slot: Tensor, is_in: Tensor) -> None:
        """Take one slot (E,) of each car where `is_in` (E,) bool."""
        ...

    def drop(self, number: Tensor) -> None:
        """Forget the `number` (E,) oldest of each car."""
        ...

    def draw(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Slots (B,) drawn uniformly with replacement."""
        ...

    def part(self, cars: slice) -> Queue:
        """The queue of some cars, over the same storage."""
        ...

    @property
    def newest(self) -> Tensor:
        """How many each car has ever pushed and not taken back (E,) int64."""
        ...

    @property
    def count(self) -> Tensor:
        """How many each car has (E,) int64."""
        ...

    @property
    def state(self) -> dict[str, Tensor]:
        """The tensors to save, themselves and not copies."""
        ...


class StartQueue:
    """Starts of a car come and go in the same order, so they form a queue.

    Start number k lies in slot queue[car, k % slots_per_car]; numbers `oldest` to `newest - 1` are alive.
    """

    def __init__(self, cars: int, slots_per_car: int, device: torch.device, name: str = "") -> None:
        self.cars, self.slots_per_car = cars, slots_per_car
        self.queue = torch.zeros(cars * slots_per_car, dtype=torch.int32, device=device)
        self.oldest = torch.zeros(cars, dtype=torch.int64, device=device)
        self.newest = torch.zeros(cars, dtype=torch.int64, device=device)
        self._first = torch.arange(cars, device=device) * slots_per_car
        self._name = name

    @property
    def state(self) -> dict[str, Tensor]:
        named = {"queue": self.queue, "oldest": self.oldest, "newest": self.newest}
        return {self._name + key: tensor for key, tensor in named.items()}

    @property
    def count(self) -> Tensor:
        return self.newest - self.oldest

    def push(self, slot: Tensor, is_in: Tensor) -> None:
        # Where `is_in` is false, `newest` stays, and the next push overwrites what is written here.
        self.queue.index_copy_(0, self._first + self.newest % self.slots_per_car, slot.int())
        self.newest += is_in

    def drop(self, number: Tensor) -> None:
        self.oldest += number

    def part(self, cars: slice) -> StartQueue:
        part = copy.copy(self)
        part.oldest, part.newest, part._first = self.oldest[cars], self.newest[cars], self._first[cars]
        part.cars = len(part.newest)
        return part

    def draw(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Slots (B,) drawn uniformly with replacement; of an empty queue, any. No host sync."""
        upto = self.count.cumsum(0)  # (E,)
        total = upto[-1].clamp(min=1)
        # Integers far larger than the count: uniform to one part in 2^30 or better.
        number = torch.randint(1 << 62, (batch_size,), generator=generator, device=upto.device) % total
        car = torch.searchsorted(upto, number, right=True).clamp(max=self.cars - 1)
        nth = self.oldest[car] + number - (upto - self.count)[car]
        return self.queue[car * self.slots_per_car + nth % self.slots_per_car].long()


class NoQueue:
    """Always empty: where every transition is trained on, none is left to test with."""

    def __init__(self, cars: int, slots_per_car: int, device: torch.device, name: str = "") -> None:
        self.count = self.newest = torch.zeros(cars, dtype=torch.int64, device=device)

    @property
    def state(self) -> dict[str, Tensor]:
        return {}

    def push(self, slot: Tensor, is_in: Tensor) -> None:
        pass

    def drop(self, number: Tensor) -> None:
        pass

    def part(self, cars: slice) -> NoQueue:
        return NoQueue(len(self.count[cars]), 0, self.count.device)

    def draw(self, batch_size: int, generator: torch.Generator) -> Tensor:
        raise AssertionError("no transitions are set aside for tests: the replay does not split")
