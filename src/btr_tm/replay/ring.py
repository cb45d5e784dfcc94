"""Storage: one ring of slots per car, every frame stored once.

    slot    0     1     2     3     4     5          one car, two races, the second under way
    obs     s0    s1    s2*   s0'   s1'   s2'        * final frame of the first race
    start   yes   yes   no    yes   yes  [no]        [ ] newest frame; the cursor points here

A slot that is a start holds a whole transition: its successor is the next slot of the same car. Every run of
starts ends in a slot that is none, so a return that follows starts can never cross the end of a race, the
newest frame or the place where the ring overwrites itself.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.block import Block
from btr_tm.core.errors import UserError
from btr_tm.core.types import Obs, Transition


class Written(NamedTuple):
    """Slots touched by one decision of all cars."""

    start: Tensor  # (E,) int64, now hold a transition
    end: Tensor  # (E,) int64, hold a frame that is no start (yet)


class Ring:
    """Columns of `cars * slots_per_car` rows, addressed by flat slot = car * slots_per_car + position."""

    def __init__(
        self,
        capacity: int,
        cars: int,
        image_shape: tuple[int, ...],
        floats: int,
        device: str | torch.device,
        block: Block = (),
    ) -> None:
        if capacity < 4 * cars:
            raise UserError(
                f"expected a replay capacity of at least 4 transitions per car, got {capacity} for {cars} "
                "cars; raise the capacity or drive fewer cars"
            )
        self.device = torch.device(device)
        self.cars = cars
        self.image_shape = tuple(image_shape)
        self.slots_per_car = math.ceil(capacity / cars) + 1  # + 1: the newest frame is no transition
        self.slots = cars * self.slots_per_car
        self.adds = 0  # decisions written so far
        self._allocate(math.prod(self.image_shape), floats, block)

    def _allocate(self, pixels: int, floats: int, block: Block) -> None:
        def zeros(*shape: int, dtype: torch.dtype) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=self.device)

        self.rows = {
            "image": zeros(self.slots, pixels, dtype=torch.uint8),
            "floats": zeros(self.slots, floats, dtype=torch.float32),
            "action": zeros(self.slots, *block, dtype=torch.int32),
            "reward": zeros(self.slots, dtype=torch.float32),
            "potential": zeros(self.slots, dtype=torch.float32),
            "start": zeros(self.slots, dtype=torch.bool),
            "through": zeros(self.slots, dtype=torch.bool),  # an n-step return may run through this action
            "terminated": zeros(self.slots, dtype=torch.bool),
        }
        # Starts of a car come and go in the same order, so they form a queue: start number k lies in
        # slot queue[car, k % slots_per_car], and the numbers from `oldest` to `newest - 1` are alive.
        self.queue = zeros(self.slots, dtype=torch.int32)
        self.cursor = zeros(self.cars, dtype=torch.int64)  # slots written per car, not wrapped
        self.oldest = zeros(self.cars, dtype=torch.int64)
        self.newest = zeros(self.cars, dtype=torch.int64)
        self._first_slot = torch.arange(self.cars, device=self.device) * self.slots_per_car

    @property
    def state(self) -> dict[str, Tensor]:
        """Everything but the rows and `adds`; the tensors themselves, not copies."""
        return {"queue": self.queue, "cursor": self.cursor, "oldest": self.oldest, "newest": self.newest}

    @property
    def count(self) -> Tensor:
        """Live transitions per car (E,)."""
        return self.newest - self.oldest

    def __len__(self) -> int:
        """Live transitions. A host sync once the ring may have wrapped."""
        if 2 * self.adds < self.slots_per_car:
            return self.adds * self.cars
        return int(self.count.sum())

    def slot(self, position: Tensor) -> Tensor:
        """Flat slots (E,) of per-car positions that need not be wrapped."""
        return self._first_slot + position % self.slots_per_car

    def after(self, slot: Tensor, steps: Tensor) -> Tensor:
        """The slots `steps` after `slot` in the same car; the two broadcast."""
        first = slot - slot % self.slots_per_car
        return first + (slot - first + steps) % self.slots_per_car

    def write(self, transition: Transition, through: Tensor) -> Written:
        """Store one decision of each car; `through` (E,) bool: n-step returns may run through this action."""
        here, there = self.slot(self.cursor), self.slot(self.cursor + 1)
        start = self.rows["start"]
        self.oldest += start[here].long() + start[there].long()  # those are about to be overwritten
        self.queue.index_copy_(0, self.slot(self.newest), here.int())
        self.newest += 1
        self._put_frame(there, transition.next_obs, transition.next_potential, is_start=False)
        self._put_frame(here, transition.obs, transition.potential, is_start=True)
        self._put("action", here, transition.action)
        self._put("reward", here, transition.reward)
        self._put("through", here, through)
        self._put("terminated", here, transition.terminated)
        ended = (transition.terminated | transition.truncated).to(self.device)
        self.cursor += 1 + ended.long()  # the final frame of a race keeps its own slot
        self.adds += 1
        return Written(here, there)

    def _put_frame(self, slot: Tensor, obs: Obs, potential: Tensor, is_start: bool) -> None:
        self._put("image", slot, obs.image)
        self._put("floats", slot, obs.floats)
        self._put("potential", slot, potential)
        self.rows["start"].index_fill_(0, slot, is_start)

    def _put(self, name: str, slot: Tensor, value: Tensor) -> None:
        column = self.rows[name]
        row = column.shape[1:].numel() if column.ndim > 1 else 1
        assert value.numel() == self.cars * row, (name, tuple(value.shape), self.cars, row)
        value = value.to(self.device, column.dtype)
        column.index_copy_(0, slot, value.reshape(self.cars, *column.shape[1:]))

    def draw(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Slots (B,) drawn uniformly with replacement over all live transitions."""
        upto = self.count.cumsum(0)  # (E,)
        # Integers far larger than the count: uniform to one part in 2^30 or better, and no host sync.
        number = torch.randint(1 << 62, (batch_size,), generator=generator, device=self.device) % upto[-1]
        car = torch.searchsorted(upto, number, right=True)
        nth = self.oldest[car] + number - (upto - self.count)[car]
        return self.queue[car * self.slots_per_car + nth % self.slots_per_car].long()

    def observe(self, slot: Tensor) -> Obs:
        """A copy of the observations in `slot` (B,)."""
        image = self.rows["image"].index_select(0, slot).view(len(slot), *self.image_shape)
        return Obs(image, self.rows["floats"].index_select(0, slot))
