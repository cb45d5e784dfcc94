"""A process that helps to learn: the same updates as the head's, each on its share of the batch."""

from __future__ import annotations

import io
import pickle
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from multiprocessing import connection
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from btr_tm.agent.learner import IqnLearner
from btr_tm.agent.parallel import DistributedGroup, ProcessGroup, rows_of
from btr_tm.core.tree import flatten, tree_map
from btr_tm.core.types import Batch
from btr_tm.nets.iqn import IQN
from btr_tm.run.remote.child_process import die_with_parent, ignore_signals
from btr_tm.run.remote.worker import LONGEST_REASON, Failed

HOST = "127.0.0.1"
MakeGroup = Callable[[IQN], ProcessGroup]
BuildLearner = Callable[[torch.device, MakeGroup], IqnLearner]  # picklable


class HelperSetup(NamedTuple):
    """What a helper is given at its start."""

    rank: int
    processes: int
    build: BuildLearner
    device: str
    threads: int
    port: int  # of the store where all processes meet
    stall_s: float


class Ready(NamedTuple):
    """The helper's network is built; it waits for the others."""


class State(NamedTuple):
    """Load this state of the learner."""

    saved: bytes


class Task(NamedTuple):
    """One update. The head's buffers and the helper's rows follow through torch.distributed."""

    frames: int
    size: int  # of the whole batch
    like: Batch  # without rows


def help_learning(setup: HelperSetup, pipe: connection.Connection) -> None:
    """Entry point of a helper."""
    ignore_signals()
    die_with_parent()
    torch.set_num_threads(setup.threads)
    try:
        _Helper(setup, pipe).run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the head is gone
    except Exception:
        with suppress(OSError):  # the head may be gone, which is then the reason
            send(pipe, Failed(traceback.format_exc(limit=-3)[-LONGEST_REASON:]))
        raise SystemExit(1) from None  # without a traceback of its own


class _Helper:
    def __init__(self, setup: HelperSetup, pipe: connection.Connection) -> None:
        self.setup, self.pipe = setup, pipe
        self.learner = setup.build(torch.device(setup.device), self._group)

    def _group(self, online: IQN) -> ProcessGroup:
        send(self.pipe, Ready())
        setup = self.setup
        meet(store_at(setup.port, setup.processes), setup.rank, setup.processes, setup.device, setup.stall_s)
        return DistributedGroup(online)

    def run(self) -> None:
        while True:
            message = receive(self.pipe)
            if isinstance(message, State):
                self.learner.load_state_dict(torch.load(io.BytesIO(message.saved), weights_only=True))
            if isinstance(message, Task):
                self._update(message)

    def _update(self, task: Task) -> None:
        """Other rows are zero and the result is not used: the head gathers the errors of all rows."""
        device, own = self.setup.device, rows_of(self.setup.rank, self.setup.processes, task.size)
        buffers = pack_buffers(self.learner.online)
        batch = tree_map(lambda leaf: leaf.new_zeros(task.size, *leaf.shape[1:], device=device), task.like)
        for leaf in (buffers, *(leaf[own] for leaf in flatten(batch))):
            if leaf.numel():
                dist.recv(leaf, 0)
        unpack_buffers(self.learner.online, buffers)
        self.learner.clock.frames = task.frames
        self.learner.update(batch)


def hand_out(batch: Batch, online: nn.Module, rank: int, processes: int) -> None:
    """Send one helper what its `_update` waits for."""
    own = rows_of(rank, processes, len(batch.weight))
    for leaf in (pack_buffers(online), *(leaf[own] for leaf in flatten(batch))):
        if leaf.numel():
            dist.send(leaf.contiguous(), rank)


def pack_buffers(net: nn.Module) -> Tensor:
    """All buffers as one vector: acting may have redrawn the noise that the learner uses."""
    device = next(net.parameters()).device
    return torch.cat([torch.zeros(0, device=device), *(part.float().flatten() for part in net.buffers())])


def unpack_buffers(net: nn.Module, packed: Tensor) -> None:
    """Overwrite the buffers of `net` with what `pack_buffers` made."""
    buffers = list(net.buffers())
    for part, piece in zip(buffers, packed.split([part.numel() for part in buffers]), strict=True):
        part.copy_(piece.view_as(part))


def store_at(port: int, processes: int, head: bool = False) -> dist.TCPStore:
    """Where the processes of one run find each other; the head makes it, and port 0 means a free one."""
    return dist.TCPStore(HOST, port, processes, head, wait_for_workers=False)


def meet(store: dist.TCPStore, rank: int, processes: int, device: str, stall_s: float) -> None:
    """Become a member of torch's default group, whose members wait for each other for `stall_s` at most."""
    cuda = torch.device(device).type == "cuda"
    if cuda:
        torch.cuda.set_device(device)
    backend = "nccl" if cuda else "gloo"
    timeout = timedelta(seconds=stall_s)
    dist.init_process_group(backend, store=store, rank=rank, world_size=processes, timeout=timeout)


def send(pipe: connection.Connection, message: NamedTuple) -> None:
    """Plain pickle: a connection's own `send` would put tensors into shared memory."""
    pipe.send_bytes(pickle.dumps(message))


def receive(pipe: connection.Connection) -> Ready | State | Task | Failed:
    """What `send` sent."""
    return pickle.loads(pipe.recv_bytes())
