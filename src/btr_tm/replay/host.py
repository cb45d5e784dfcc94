"""A replay in main memory for a learner that lives on a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.tree import Tree, flatten, tree_map
from btr_tm.core.types import Batch, Obs, Transition
from btr_tm.replay.archive import Manifest
from btr_tm.replay.buffer import ALL, Replay


class _Prefetched(NamedTuple):
    """A batch that was drawn before it was asked for, and what it takes to draw it again."""

    batch: Batch
    size: int
    generator: Tensor  # state before the draw
    cursor: Tensor  # (E,) of the ring at the draw


class _Pending(NamedTuple):
    """Priorities on their way from the learner."""

    slots: Tensor
    priority: Tensor
    cursor: Tensor  # (E,) of the ring when they were drawn
    arrived: torch.cuda.Event | None


class HostReplay(Replay):
    """Draws and sends the next batch while the learner works on the one before, without waiting for it.

    For that, priorities count one update later than in a `Replay`, and a batch is drawn before the decisions
    are stored that are driven after the update before. `device` is the learner's; of `generator`, on that
    device too, only the seed is used.
    """

    _prefetched: _Prefetched | None = None
    _pending: _Pending | None = None

    def _place(
        self, device: str | torch.device, generator: torch.Generator
    ) -> tuple[str | torch.device, torch.Generator]:
        self._learner = torch.device(device)
        return "cpu", torch.Generator().manual_seed(generator.initial_seed())

    def add(self, transition: Transition, cars: slice = ALL) -> None:
        super().add(self._fetch_all(transition), cars)

    def sample(self, batch_size: int) -> Batch:
        """A batch on the learner's device."""
        ready, self._prefetched = self._prefetched, None
        if ready is None or ready.size != batch_size:
            ready = self._prefetch(batch_size)
        self._size, self._cursor = batch_size, ready.cursor
        return ready.batch

    def update_priorities(self, index: Tensor, priority: Tensor) -> None:
        """Of the batch that came last; then the next one is drawn and sent."""
        self._write_pending()
        fetched = self._fetch(index), self._fetch(priority)
        self._pending = _Pending(*fetched, self._cursor, self._event())
        self._prefetched = self._prefetch(self._size)

    def sample_test(self, batch_size: int) -> Batch:
        return self._send(super().sample_test(batch_size))

    def draw_states(self, count: int, generator: torch.Generator) -> tuple[Obs, Tensor]:
        seed = torch.randint(2**62, (), generator=generator, device=generator.device)  # read now: a host sync
        host = torch.Generator().manual_seed(int(seed))
        return self._send(super().draw_states(count, host))

    def save(self, folder: str | Path) -> Manifest:
        """As every replay. A prefetched batch is drawn again afterwards, here and after a load."""
        self._write_pending()
        if self._prefetched is not None:
            self._generator.set_state(self._prefetched.generator)
            self._prefetched = None
        return super().save(folder)

    def load(self, folder: str | Path, manifest: Manifest) -> None:
        self._prefetched = self._pending = None
        super().load(folder, manifest)

    def _prefetch(self, batch_size: int) -> _Prefetched:
        before = self._generator.get_state()
        batch = self._send(super().sample(batch_size))
        return _Prefetched(batch, batch_size, before, self.ring.cursor.clone())

    def _write_pending(self) -> None:
        """Write the priorities of the update before, which have arrived by now, to what is still there."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if pending.arrived is not None:
            pending.arrived.synchronize()
        in_ring = pending.slots.clamp(max=self.ring.slots - 1)  # a sampler may count with one more
        kept = ~self.ring.overwritten(in_ring, pending.cursor)
        if kept.any():
            super().update_priorities(pending.slots[kept], pending.priority[kept])

    def _send(self, tree: Tree) -> Tree:
        """Copies on the learner's device, on their way."""
        if self._learner.type != "cuda":
            return tree_map(lambda leaf: leaf.to(self._learner), tree)
        return tree_map(lambda leaf: leaf.pin_memory().to(self._learner, non_blocking=True), tree)

    def _fetch_all(self, tree: Tree) -> Tree:
        """Copies in main memory, which are all on their way before the host waits, once."""
        if not any(on_gpu(leaf) for leaf in flatten(tree)):
            return tree
        here, arrived = tree_map(self._fetch, tree), self._event()
        if arrived is not None:
            arrived.synchronize()
        return here

    def _fetch(self, tensor: Tensor) -> Tensor:
        """A copy in main memory, on its way."""
        if not on_gpu(tensor):
            return tensor.cpu()
        return torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor, non_blocking=True)

    def _event(self) -> torch.cuda.Event | None:
        """Passed once everything that was asked of the GPU so far is done."""
        if self._learner.type != "cuda":
            return None
        event = torch.cuda.Event()
        event.record()
        return event


def on_gpu(tensor: Tensor) -> bool:
    return tensor.is_cuda
