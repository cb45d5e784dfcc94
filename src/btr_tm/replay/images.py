"""How a ring keeps what was seen: every image whole, or of a stack of frames only the newest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from btr_tm.replay.columns_file import Column

if TYPE_CHECKING:
    from btr_tm.replay.ring import Ring


class Images(Protocol):
    """Writes and reads the columns of a ring that hold images (C, H, W)."""

    @property
    def history(self) -> int:
        """How many slots before the oldest that is alive must not be overwritten."""
        ...

    def columns(self, shape: tuple[int, ...]) -> dict[str, Column]:
        """One row of each column that it needs, for images of that `shape`."""
        ...

    def put(self, ring: Ring, here: Tensor, there: Tensor, image: Tensor, next_image: Tensor) -> None:
        """Store images (E, C, H, W) in the slots `here` (E,), their successors in `there`."""
        ...

    def begin_race(self, ring: Ring, where: Tensor) -> None:
        """The next images of cars `where` (E,) bool are the first of a race."""
        ...

    def begin_anywhere(self, ring: Ring) -> None:
        """Of what comes next nothing is stored: `history` slots of each car have been left free before it."""
        ...

    def at(self, ring: Ring, slot: Tensor) -> Tensor:
        """A copy of the images (B, C, H, W) in `slot` (B,)."""
        ...


class WholeImages:
    """An image is a row."""

    history = 0

    def columns(self, shape: tuple[int, ...]) -> dict[str, Column]:
        return {"image": Column(torch.uint8, (torch.Size(shape).numel(),))}

    def put(self, ring: Ring, here: Tensor, there: Tensor, image: Tensor, next_image: Tensor) -> None:
        ring.put("image", there, next_image)
        ring.put("image", here, image)

    def begin_race(self, ring: Ring, where: Tensor) -> None:
        pass

    def begin_anywhere(self, ring: Ring) -> None:
        pass

    def at(self, ring: Ring, slot: Tensor) -> Tensor:
        return ring.rows["image"].index_select(0, slot).view(len(slot), *ring.image_shape)


@dataclass(frozen=True)
class Planes:
    """For images whose channels are the last `frames` pictures of a race, oldest first: the newest is a row.

        slot    0   1   2   3   4   5      a race from slot 1 on, stacks of four
        plane   -   a   b   c   d   e
        age     -   0   1   2   3   3      how many planes before it are of its stack
        shown       aaaa    aabc    bcde   in slots 1, 3 and 5: a race begins with its first picture repeated

    A car that is not at the beginning of a race when it is first seen, or after something was lost, leaves
    slots for the planes it comes with. To need no case for that, every write stores the stack whole, on
    top of the same planes.
    """

    frames: int

    @property
    def history(self) -> int:
        return self.frames - 1

    def columns(self, shape: tuple[int, ...]) -> dict[str, Column]:
        assert shape[0] == self.frames, (shape, self.frames)
        plane = torch.Size(shape[1:]).numel()
        return {"image": Column(torch.uint8, (plane,)), "age": Column(torch.uint8, ())}

    def put(self, ring: Ring, here: Tensor, there: Tensor, image: Tensor, next_image: Tensor) -> None:
        planes = ring.rows["image"]
        stack = image.to(planes.device).reshape(-1, planes.shape[1])
        planes.index_copy_(0, self._spots(ring, here), stack)
        ring.put("image", there, next_image[:, -1])
        ring.put("age", there, (ring.rows["age"][here] + 1).clamp(max=self.history))

    def begin_race(self, ring: Ring, where: Tensor) -> None:
        newest = ring.slot(ring.cursor)
        ring.put("age", newest, torch.where(where, 0, ring.rows["age"][newest]))

    def begin_anywhere(self, ring: Ring) -> None:
        ring.rows["age"].index_fill_(0, ring.slot(ring.cursor), self.history)

    def at(self, ring: Ring, slot: Tensor) -> Tensor:
        planes = ring.rows["image"].index_select(0, self._spots(ring, slot))
        return planes.view(len(slot), *ring.image_shape)

    def _spots(self, ring: Ring, slot: Tensor) -> Tensor:
        """Slots (B C,) of the planes that `slot` (B,) shows, oldest first."""
        back = torch.arange(self.history, -1, -1, device=slot.device)
        return ring.after(slot[:, None], -torch.minimum(back, ring.rows["age"][slot, None])).view(-1)


def images_of(frames: int) -> Images:
    """For images that are stacks of so many frames; 1: they are not."""
    return Planes(frames) if frames > 1 else WholeImages()
