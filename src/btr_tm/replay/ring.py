"""What is alive in the storage: one ring of slots per car, every frame stored once.

    slot    0     1     2     3     4     5          one car, two races, the second under way
    obs     s0    s1    s2*   s0'   s1'   s2'        * final frame of the first race
    start   yes   yes   no    yes   yes  [no]        [ ] newest frame; the cursor points here

A slot that is a start holds a whole transition: its successor is the next slot of the same car. Every run of
starts ends in a slot that is none, so a return that follows starts can never cross the end of a race, the
newest frame or the place where the ring overwrites itself.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.block import Block
from btr_tm.core.errors import UserError
from btr_tm.core.types import Obs, Transition
from btr_tm.replay.columns_file import Column
from btr_tm.replay.images import Images
from btr_tm.replay.queue import NoQueue, Queue, StartQueue
from btr_tm.replay.storage import Storage


class Marks(NamedTuple):
    """What is stored of one decision of all cars besides the decision itself."""

    continues: Tensor  # (E,) bool, an n-step return that began before may go on with this action
    kept: Tensor  # (E,) bool, it is stored as a transition
    test: Tensor  # (E,) bool, it is set aside for tests
    columns: Mapping[str, Tensor]  # (E,) each, by name


class Written(NamedTuple):
    """Slots touched by one decision of all cars."""

    start: Tensor  # (E,) int64, now hold a transition, if the decision was kept
    end: Tensor  # (E,) int64, hold a frame that is no start (yet)
    retired: Tensor  # (R,) int64, are not to be drawn any more, but not overwritten; R is 0 or 2 E


@dataclass
class Writes:
    """How often a ring was written to; a ring and its parts share one."""

    count: int = 0


class Ring(Storage):
    """At most `window` slots of each car are alive: a setting, at first what holds `capacity` transitions.

    There are as many slots, and before the oldest of them those that `images` still read. `columns` are
    columns of one number besides the usual ones, by dtype; `test_queue` holds what is set aside for tests.
    """

    def __init__(
        self,
        capacity: int,
        cars: int,
        image_shape: tuple[int, ...],
        floats: int,
        device: str | torch.device,
        block: Block,
        columns: Mapping[str, torch.dtype],
        test_queue: type[StartQueue] | type[NoQueue],
        images: Images,
    ) -> None:
        if capacity < 4 * cars:
            raise UserError(
                f"the replay must hold at least 4 transitions per car, {4 * cars} for {cars} cars, got "
                f"{capacity}; raise profile.replay_capacity or drive fewer cars"
            )
        self.window = _window(capacity, cars)
        super().__init__(
            cars,
            self.window + images.history,
            images.columns(image_shape) | _columns(floats, block, columns),
            torch.device(device),
        )
        self.image_shape = tuple(image_shape)
        self.images = images
        self.writes = Writes()
        self.cursor += images.history
        self.low = self.cursor.clone()  # positions from `low` to `cursor` are alive
        self._two = torch.arange(2, device=self.device)[:, None]
        images.begin_after_gap(self)
        self.train: Queue = StartQueue(cars, self.slots_per_car, self.device)
        self.test: Queue = test_queue(cars, self.slots_per_car, self.device, "test_")

    @property
    def state(self) -> dict[str, Tensor]:
        """Everything but the rows and the number of writes; the tensors themselves, not copies."""
        return self.train.state | self.test.state | {"cursor": self.cursor, "low": self.low}

    def __len__(self) -> int:
        """Live transitions that are trained on. A host sync."""
        return int(self.train.count.sum())

    def window_for(self, capacity: int) -> int:
        """Slots of each car that hold `capacity` transitions of all."""
        return _window(capacity, self.cars)

    def trainable(self, slot: Tensor) -> Tensor:
        """Whether slots hold a transition that is not set aside for tests."""
        return self.rows["start"][slot] & ~self.rows["test"][slot]

    def age(self) -> Tensor:
        """How many positions each slot (slots,) lies behind the newest frame of its car."""
        position = torch.arange(self.slots_per_car, device=self.device)
        return ((self.cursor[:, None] - position) % self.slots_per_car).flatten()

    def overwritten(self, slot: Tensor, cursor: Tensor) -> Tensor:
        """Whether slots (B,) hold another frame than when the cursors of the cars were at `cursor` (E,)."""
        car = slot // self.slots_per_car
        ahead = (slot - cursor[car] - 1) % self.slots_per_car + 1  # of that cursor, from 1 on
        return ahead <= (self.cursor - cursor)[car]

    def is_newest_frame(self, slot: Tensor) -> Tensor:
        """Whether the cursor of its car is at each slot (B,): no action there is known yet."""
        return slot == self.slot(self.cursor)[slot // self.slots_per_car]

    def write(self, transition: Transition, marks: Marks) -> Written:
        """Store one decision of each car."""
        here, there = self.slot(self.cursor), self.slot(self.cursor + 1)
        retired = self._retire(there)
        self.train.push(here, marks.kept & ~marks.test)
        self.test.push(here, marks.kept & marks.test)
        self.images.put(self, here, there, transition.obs.image, transition.next_obs.image)
        self._put_frame(there, transition.next_obs, transition.next_potential)
        self._put_frame(here, transition.obs, transition.potential)
        self.rows["start"].index_fill_(0, there, False)
        marked = {"start": marks.kept, "continues": marks.continues, "test": marks.test, **marks.columns}
        drove = {"action": transition.action, "reward": transition.reward}
        for name, value in (marked | drove | {"terminated": transition.terminated}).items():
            self.put(name, here, value)
        ended = (transition.terminated | transition.truncated).to(self.device)
        self.cursor += 1 + (ended & marks.kept).long()  # the final frame of a race keeps its own slot
        self.images.begin_race(self, ended)
        self.writes.count += 1
        return Written(here, there, retired)

    def part(self, cars: slice) -> Ring:
        """A ring of some of the cars over the same storage, for writing what only they drove."""
        part = copy.copy(self)
        part.cursor, part.low = self.cursor[cars], self.low[cars]
        part._first_slot = self._first_slot[cars]
        part.cars = len(part.cursor)
        part.train, part.test = self.train.part(cars), self.test.part(cars)
        return part

    def cut(self) -> Written:
        """What is written next does not follow the newest frames: each car's becomes a final frame."""
        here = self.slot(self.cursor)
        there, retired = zip(*(self._skip() for _ in range(1 + self.images.history)), strict=True)
        self.rows["start"].index_fill_(
            0, here, False
        )  # after the end of a race it may still hold an old mark
        self.images.begin_after_gap(self)
        self.writes.count += 1
        return Written(here[:0], torch.cat([here, *there]), torch.cat(retired))

    def _skip(self) -> tuple[Tensor, Tensor]:
        """Move each car on by a slot, for a frame that is no start (yet): that slot, and what was retired."""
        there = self.slot(self.cursor + 1)
        retired = self._retire(there)
        self.rows["start"].index_fill_(0, there, False)
        self.cursor += 1
        return there, retired

    def open(self, car: int) -> Tensor:
        """Slots of the transitions of the race that a car is in, newest first; a host sync."""
        low, cursor = int(self.low[car]), int(self.cursor[car])
        position = torch.arange(cursor - 1, low - 1, -1, device=self.device)
        slots = self._first_slot[car] + position % self.slots_per_car
        return slots[self.rows["start"][slots].cumprod(0).bool()]

    def forget(self, slots: Sequence[Tensor]) -> Written:
        """Take back the newest transitions of each car, whose `slots` `open` has named, and cut."""
        for car, taken in enumerate(slots):
            test = self.rows["test"][taken].sum()
            self.train.newest[car] -= len(taken) - test
            self.test.newest[car] -= test
            self.rows["start"].index_fill_(0, taken, False)
        _, there, retired = self.cut()
        return Written(there[:0], there, torch.cat([*slots, retired]))

    def _retire(self, end: Tensor) -> Tensor:
        """Let the oldest slots go, so that `window` are left with the next, `end` (E,)."""
        bound = self.cursor + 2 - self.window
        position = self.low + self._two  # (2, E): no decision moves the cursor by more
        slot = self.slot(position)
        gone = self.rows["start"][slot] & (position < bound)
        test = self.rows["test"][slot]
        self.train.drop((gone & ~test).sum(0))
        self.test.drop((gone & test).sum(0))
        torch.maximum(self.low, bound, out=self.low)
        if self.window == self.slots_per_car:
            return end[:0]
        return torch.where(gone, slot, end).view(-1)

    def _put_frame(self, slot: Tensor, obs: Obs, potential: Tensor) -> None:
        self.put("floats", slot, obs.floats)
        self.put("potential", slot, potential)

    def observe(self, slot: Tensor) -> Obs:
        """A copy of the observations in `slot` (B,)."""
        image = self.images.at(self, slot).view(len(slot), *self.image_shape)
        return Obs(image, self.rows["floats"].index_select(0, slot))


def _window(capacity: int, cars: int) -> int:
    return math.ceil(capacity / cars) + 1  # + 1: the newest frame is no transition


def _columns(floats: int, block: Block, more: Mapping[str, torch.dtype]) -> dict[str, Column]:
    """All columns of a ring but those of images."""
    return {
        "floats": Column(torch.float32, (floats,)),
        "action": Column(torch.int32, block),
        "reward": Column(torch.float32, ()),
        "potential": Column(torch.float32, ()),
        "start": Column(torch.bool, ()),
        "continues": Column(torch.bool, ()),
        "terminated": Column(torch.bool, ()),
        "test": Column(torch.bool, ()),
    } | {name: Column(dtype, ()) for name, dtype in more.items()}
