"""Which rows of a batch each process learns from, and how their gradients and errors come together."""

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


class ProcessGroup(Protocol):
    """The processes that share each batch; all of them draw the same random numbers for the whole batch."""

    @property
    def forward(self) -> Callable[[Obs, Tensor], Tensor]:
        """The online network, for passes whose gradient counts."""
        ...

    @property
    def processes(self) -> int:
        """How many; the gradient that each ends up with is the mean over them."""
        ...

    def rows(self, size: int) -> slice:
        """Which of `size` samples this process learns from."""
        ...

    def micro_batch(self, last: bool) -> AbstractContextManager[None]:
        """Surrounds forward and backward of some of these rows; the `last` one averages the gradients."""
        ...

    def gather(self, own: Tensor, size: int) -> Tensor:
        """(size, ...) of all processes, from what each found for its rows."""
        ...


class SingleProcess:
    """This process learns from the whole batch."""

    processes = 1

    def __init__(self, online: IQN) -> None:
        self.forward = online

    def rows(self, size: int) -> slice:
        return slice(0, size)

    def micro_batch(self, last: bool) -> AbstractContextManager[None]:
        return nullcontext()

    def gather(self, own: Tensor, size: int) -> Tensor:
        return own


class DistributedGroup:
    """The processes of torch's default group, whose gradients torch's DistributedDataParallel averages.

    All of them make theirs at the same time, after the parameters of `online` were laid out for good. Buffers
    are not sent: equal draws and equal gradients keep them equal.
    """

    def __init__(self, online: IQN) -> None:
        self.rank, self.processes = dist.get_rank(), dist.get_world_size()
        self.forward = DistributedDataParallel(online, **_KEEP_BUFFERS)

    def rows(self, size: int) -> slice:
        return rows_of(self.rank, self.processes, size)

    def micro_batch(self, last: bool) -> AbstractContextManager[None]:
        return nullcontext() if last else self.forward.no_sync()

    @torch.no_grad()
    def gather(self, own: Tensor, size: int) -> Tensor:
        held = own.new_zeros(size, *own.shape[1:])
        held[self.rows(size)] = own
        dist.all_reduce(held)  # every row is zero in all processes but one: the sum is exact
        return held


def rows_of(rank: int, processes: int, size: int) -> slice:
    """Consecutive shares that differ by at most one row."""
    return slice(rank * size // processes, (rank + 1) * size // processes)
