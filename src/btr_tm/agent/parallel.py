"""How several processes work off one batch: which rows each takes, and how what they found comes together."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from btr_tm.core.types import Obs
from btr_tm.nets.iqn import IQN

# Older torch knows only the second name, newer torch warns of it.
_NAMES = inspect.signature(DistributedDataParallel).parameters
_SENDS_BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in _NAMES else "broadcast_buffers"
_KEEP_BUFFERS: dict[str, Any] = {_SENDS_BUFFERS: False}


class Team(Protocol):
    """The processes that share each batch; every one of them draws the same random numbers for all of it."""

    @property
    def forward(self) -> Callable[[Obs, Tensor], Tensor]:
        """The online network, for passes whose gradient counts."""
        ...

    @property
    def processes(self) -> int:
        """How often each process's loss counts: gradients are averaged, and meant to be summed."""
        ...

    def rows(self, size: int) -> slice:
        """Which of `size` samples are this process's."""
        ...

    def part(self, last: bool) -> AbstractContextManager[Any]:
        """Surrounds forward and backward of some of these rows; after the `last` the gradients meet."""
        ...

    def whole(self, own: Tensor, size: int) -> Tensor:
        """(size, ...) of all processes, from what each found for its rows."""
        ...


class Alone:
    """This process does it all."""

    processes = 1

    def __init__(self, online: IQN) -> None:
        self.forward = online

    def rows(self, size: int) -> slice:
        return slice(0, size)

    def part(self, last: bool) -> AbstractContextManager[Any]:
        return nullcontext()

    def whole(self, own: Tensor, size: int) -> Tensor:
        return own


class Together:
    """The processes of torch's default group; gradients meet in torch's DistributedDataParallel.

    Made by all of them at once, after the parameters of `online` have found their final place. Buffers are
    not sent: same draws and same gradients keep them the same.
    """

    def __init__(self, online: IQN) -> None:
        self.rank, self.processes = dist.get_rank(), dist.get_world_size()
        self.forward = DistributedDataParallel(online, **_KEEP_BUFFERS)

    def rows(self, size: int) -> slice:
        return rows_of(self.rank, self.processes, size)

    def part(self, last: bool) -> AbstractContextManager[Any]:
        return nullcontext() if last else self.forward.no_sync()

    @torch.no_grad()
    def whole(self, own: Tensor, size: int) -> Tensor:
        held = own.new_zeros(size, *own.shape[1:])
        held[self.rows(size)] = own
        dist.all_reduce(held)  # every row is zero in all processes but one: the sum is exact
        return held


def rows_of(rank: int, processes: int, size: int) -> slice:
    """Consecutive shares that differ by at most one row."""
    return slice(rank * size // processes, (rank + 1) * size // processes)
