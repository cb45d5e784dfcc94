"""How a ring stores what was seen: every image whole, or only the newest frame of each stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from btr_tm.replay.columns_file import Column
from btr_tm.replay.storage import Storage


class Images(Protocol):
    """Writes and reads the columns that hold images (C, H, W)."""

    @property
    def history(self) -> int:
        """How many slots before the oldest that is alive must not be overwritten."""
        ...

    def columns(self, shape: tuple[int, ...]) -> dict[str, Column]:
        """One row of each column that it needs, for images of that `shape`."""
        ...

    def put(self, storage: Storage, here: Tensor, there: Tensor, image: Tensor, next_image: Tensor) -> None:
        """Store images (E, C, H, W) in the slots `here` (E,), their successors in `there`."""
        ...

    def begin_race(self, storage: Storage, where: Tensor) -> None:
        """The next images of cars `where` (E,) bool are the first of a race."""
        ...

    def begin_after_gap(self, storage: Storage) -> None:
        """The next images follow nothing that is stored; each car has left `history` slots free for them."""
        ...

    def at(self, storage: Storage, slot: Tensor) -> Tensor:
        """A copy of the images in `slot` (B,), in one of the shapes that can be viewed as (B, C, H, W)."""
        ...


class WholeImages:
    """An image is a row."""

    history = 0

    def columns(self, shape: tuple[int, ...]) -> dict[str, Column]:
        return {"image": Column(torch.uint8, (torch.Size(shape).numel(),))}

    def put(self, storage: Storage, here: Tensor, there: Tensor, image: Tensor, next_image: Tensor) -> None:
        storage.put("image", there, next_image)
        storage.put("image", here, image)

    def begin_race(self, storage: Storage, where: Tensor) -> None:
        pass

    def begin_after_gap(self, storage: Storage) -> None:
        pass

    def at(self, storage: Storage, slot: Tensor) -> Tensor:
        return storage.rows["image"].index_select(0, slot)


@dataclass(frozen=True)
class FrameStacks:
    """For images whose channels are the last `frames` frames of a race, oldest first: the newest is a row.

        slot    0   1   2   3   4   5      a race from slot 1 on, stacks of four
        frame   -   a   b   c   d   e
        age     -   0   1   2   3   3      how many frames before it belong to its stack
        image       aaaa    aabc    bcde   in slots 1, 3 and 5: a race begins with its first frame repeated

    A car that is first seen in the middle of a race, or again after something was lost, needs free slots for
    the older frames of its stack. To treat every case alike, each write stores the whole stack, over frames
    that are equal.
    """

    frames: int

    @property
    def history(self) -> int:
        return self.frames - 1

    def columns(self, shape: tuple[int, ...]) -> dict[str, Column]:
        assert shape[0] == self.frames, (shape, self.frames)
        frame = torch.Size(shape[1:]).numel()
        return {"image": Column(torch.uint8, (frame,)), "age": Column(torch.uint8, ())}

    def put(self, storage: Storage, here: Tensor, there: Tensor, image: Tensor, next_image: Tensor) -> None:
        frames = storage.rows["image"]
        stack = image.to(frames.device).reshape(-1, frames.shape[1])
        frames.index_copy_(0, self._slots_of_stack(storage, here), stack)
        storage.put("image", there, next_image[:, -1])
        storage.put("age", there, (storage.rows["age"][here] + 1).clamp(max=self.history))

    def begin_race(self, storage: Storage, where: Tensor) -> None:
        newest = storage.slot(storage.cursor)
        storage.put("age", newest, torch.where(where, 0, storage.rows["age"][newest]))

    def begin_after_gap(self, storage: Storage) -> None:
        storage.rows["age"].index_fill_(0, storage.slot(storage.cursor), self.history)

    def at(self, storage: Storage, slot: Tensor) -> Tensor:
        return storage.rows["image"].index_select(0, self._slots_of_stack(storage, slot))

    def _slots_of_stack(self, storage: Storage, slot: Tensor) -> Tensor:
        """Slots (B C,) of the frames that the images in `slot` (B,) show, oldest first."""
        back = torch.arange(self.history, -1, -1, device=slot.device)
        return storage.after(slot[:, None], -torch.minimum(back, storage.rows["age"][slot, None])).view(-1)


def images_of(frames: int) -> Images:
    """For images that are stacks of `frames` frames; 1: they are single ones."""
    return FrameStacks(frames) if frames > 1 else WholeImages()
