"""The rows of a ring: a block of slots for each car, found without asking the device."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from btr_tm.core.memory import refuse_too_much
from btr_tm.replay.columns_file import Column


class Storage:
    """Columns of `cars * slots_per_car` rows, addressed by flat slot = car * slots_per_car + position.

    `columns` says what a row of each column looks like. `cursor` (E,) is the position of each car's newest
    frame; positions count on without wrapping, `slot` wraps them.
    """

    def __init__(
        self, cars: int, slots_per_car: int, columns: Mapping[str, Column], device: torch.device
    ) -> None:
        self.cars, self.slots_per_car, self.device = cars, slots_per_car, device
        self.slots = cars * slots_per_car
        row = sum(math.prod(shape) * dtype.itemsize for dtype, shape in columns.values())
        what = f"{self.slots:,} transitions in the replay"
        refuse_too_much(row * self.slots, device, what, "profile.replay_capacity", self.slots)
        self.rows = {
            name: torch.zeros(self.slots, *shape, dtype=dtype, device=device)
            for name, (dtype, shape) in columns.items()
        }
        self.cursor = torch.zeros(cars, dtype=torch.int64, device=device)
        self._first_slot = torch.arange(cars, device=device) * slots_per_car

    def slot(self, position: Tensor) -> Tensor:
        """Flat slots (..., E) of per-car positions that need not be wrapped."""
        return self._first_slot + position % self.slots_per_car

    def after(self, slot: Tensor, steps: Tensor) -> Tensor:
        """The slots `steps` after `slot` in the same car; the two broadcast."""
        first = slot - slot % self.slots_per_car  # a whole number of rings, so it does not count below
        return first + (slot + steps) % self.slots_per_car

    def put(self, name: str, slot: Tensor, value: Tensor) -> None:
        """Overwrite a row of each car, `slot` (E,), in the column `name` with `value` (E, ...)."""
        column = self.rows[name]
        row = column.shape[1:].numel()
        assert value.numel() == self.cars * row, (name, tuple(value.shape), self.cars, row)
        value = value.to(self.device, column.dtype)
        column.index_copy_(0, slot, value.reshape(self.cars, *column.shape[1:]))
