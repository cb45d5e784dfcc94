"""A replay in main memory for a learner that lives on a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from btr_tm.core.tree import tree_map
from btr_tm.core.types import Batch, Obs
from btr_tm.replay.archive import Manifest
from btr_tm.replay.buffer import Replay


class _Ahead(NamedTuple):
    """A batch that nobody has asked for yet, and how to unmake its draw."""

    batch: Batch
    size: int
    generator: Tensor  # state before the draw


class _Late(NamedTuple):
    """Priorities on their way from the learner."""

    slots: Tensor
    priority: Tensor
    arrived: torch.cuda.Event | None


class HostReplay(Replay):
    """Draws and sends the next batch while the learner works on the one before; it waits for nothing.

    For that, priorities count one update later than in a `Replay`, and a batch is drawn before what is driven
    after the update before. `device` is the learner's; `generator`, on that device too, gives the seed;
    `options` are those of a Replay.
    """

    def __init__(self, *, device: str | torch.device, generator: torch.Generator, **options: Any) -> None:
        host = torch.Generator().manual_seed(generator.initial_seed())
        super().__init__(device="cpu", generator=host, **options)
        self._learner = torch.device(device)
        self._ahead: _Ahead | None = None
        self._late: _Late | None = None

    def sample(self, batch_size: int) -> Batch:
        """A batch on the learner's device."""
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead.size != batch_size:
            ahead = self._draw(batch_size)
        self._size = batch_size
        return ahead.batch

    def update_priorities(self, index: Tensor, priority: Tensor) -> None:
        """Of the batch that came last; then the next one sets off."""
        self._settle()
        self._late = _Late(self._fetch(index), self._fetch(priority), self._event())
        self._ahead = self._draw(self._size)

    def sample_test(self, batch_size: int) -> Batch:
        return self._send(super().sample_test(batch_size))

    def draw_states(self, count: int, generator: torch.Generator) -> tuple[Obs, Tensor]:
        seed = torch.randint(2**62, (), generator=generator, device=generator.device)  # read now: a host sync
        host = torch.Generator().manual_seed(int(seed))
        return self._send(super().draw_states(count, host))

    def save(self, folder: str | Path) -> Manifest:
        """As every replay. The batch under way is drawn again afterwards, here and by who loads this."""
        self._settle()
        if self._ahead is not None:
            self._generator.set_state(self._ahead.generator)
            self._ahead = None
        return super().save(folder)

    def load(self, folder: str | Path, manifest: Manifest) -> None:
        self._ahead = self._late = None
        super().load(folder, manifest)

    def _draw(self, batch_size: int) -> _Ahead:
        before = self._generator.get_state()
        return _Ahead(self._send(super().sample(batch_size)), batch_size, before)

    def _settle(self) -> None:
        """Write the priorities that have arrived by now."""
        if self._late is not None:
            if self._late.arrived is not None:
                self._late.arrived.synchronize()
            super().update_priorities(self._late.slots, self._late.priority)
            self._late = None

    def _send(self, tree: Any) -> Any:
        """Copies on the learner's device, under way."""
        if self._learner.type != "cuda":
            return tree_map(lambda leaf: leaf.to(self._learner), tree)
        return tree_map(lambda leaf: leaf.pin_memory().to(self._learner, non_blocking=True), tree)

    def _fetch(self, tensor: Tensor) -> Tensor:
        """A copy in main memory, under way."""
        if tensor.device.type != "cuda":
            return tensor.cpu()
        return torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor, non_blocking=True)

    def _event(self) -> torch.cuda.Event | None:
        """Passed once everything that was asked of the GPU so far is done."""
        if self._learner.type != "cuda":
            return None
        event = torch.cuda.Event()
        event.record()
        return event
