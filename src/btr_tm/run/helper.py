"""A process that helps to learn: the same updates as the head's, each on its share of the batch."""

from __future__ import annotations

import io
import pickle
import signal
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import connection
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from btr_tm.agent.learner import IqnLearner
from btr_tm.agent.parallel import DistributedGroup, ProcessGroup, rows_of
from btr_tm.core.tree import flatten, tree_map
from btr_tm.core.types import Batch
from btr_tm.nets.iqn import IQN
from btr_tm.run.remote.child_process import die_with_parent
from btr_tm.run.remote.worker import LONGEST_REASON, Failed

HOST = "127.0.0.1"
MakeGroup = Callable[[IQN], ProcessGroup]
BuildLearner = Callable[[torch.device, MakeGroup], IqnLearner]  # picklable


class Told(NamedTuple):
    """What a helper is told at its start."""

    rank: int
    processes: int
    build: BuildLearner
    device: str
    threads: int
    port: int  # where all meet
    stall_s: float


class Ready(NamedTuple):
    """The helper's network is built; it waits for the others."""


class State(NamedTuple):
    """Become this learner."""

    saved: bytes


class Task(NamedTuple):
    """One update. The head's buffers and the helper's rows follow through torch.distributed."""

    frames: int
    size: int  # of the whole batch
    like: Batch  # without rows


def help_learning(told: Told, line: connection.Connection) -> None:
    """Entry point of a helper."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they reach the whole group; the head decides
        signal.signal(number, signal.SIG_IGN)
    die_with_parent()
    torch.set_num_threads(told.threads)
    try:
        _Helper(told, line).run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the head is gone
    except Exception:
        say(line, Failed(traceback.format_exc(limit=-3)[-LONGEST_REASON:]))
        raise


class _Helper:
    def __init__(self, told: Told, line: connection.Connection) -> None:
        self.told, self.line = told, line
        self.learner = told.build(torch.device(told.device), self._group)

    def _group(self, online: IQN) -> ProcessGroup:
        say(self.line, Ready())
        told = self.told
        meet(store_at(told.port, told.processes), told.rank, told.processes, told.device, told.stall_s)
        return DistributedGroup(online)

    def run(self) -> None:
        while True:
            message = hear(self.line)
            if isinstance(message, State):
                self.learner.load_state_dict(torch.load(io.BytesIO(message.saved), weights_only=True))
            else:
                self._update(message)

    def _update(self, task: Task) -> None:
        """What this returns and other rows say nothing; the head has the errors of all rows."""
        device, own = self.told.device, rows_of(self.told.rank, self.told.processes, task.size)
        buffers = pack_buffers(self.learner.online)
        batch = tree_map(lambda leaf: leaf.new_zeros(task.size, *leaf.shape[1:], device=device), task.like)
        for leaf in (buffers, *(leaf[own] for leaf in flatten(batch))):
            if leaf.numel():
                dist.recv(leaf, 0)
        unpack_buffers(self.learner.online, buffers)
        self.learner.clock.frames = task.frames
        self.learner.update(batch)


def hand_out(batch: Batch, online: nn.Module, rank: int, processes: int) -> None:
    """What `_update` waits for, from the head to one helper."""
    own = rows_of(rank, processes, len(batch.weight))
    for leaf in (pack_buffers(online), *(leaf[own] for leaf in flatten(batch))):
        if leaf.numel():
            dist.send(leaf.contiguous(), rank)


def pack_buffers(net: nn.Module) -> Tensor:
    """All buffers as one vector: acting may have redrawn the noise that a learner learns with."""
    device = next(net.parameters()).device
    return torch.cat([torch.zeros(0, device=device), *(part.float().flatten() for part in net.buffers())])


def unpack_buffers(net: nn.Module, packed: Tensor) -> None:
    """In place."""
    buffers = list(net.buffers())
    for part, piece in zip(buffers, packed.split([part.numel() for part in buffers]), strict=True):
        part.copy_(piece.view_as(part))


def store_at(port: int, processes: int, head: bool = False) -> dist.TCPStore:
    """Where the processes of one run find each other; the head makes it, at a free port if `port` is 0."""
    return dist.TCPStore(HOST, port, processes, head, wait_for_workers=False)


def meet(store: dist.TCPStore, rank: int, processes: int, device: str, stall_s: float) -> None:
    """Become a member of torch's default group, whose members wait for each other for `stall_s` at most."""
    cuda = torch.device(device).type == "cuda"
    if cuda:
        torch.cuda.set_device(device)
    backend = "nccl" if cuda else "gloo"
    patience = timedelta(seconds=stall_s)
    dist.init_process_group(backend, store=store, rank=rank, world_size=processes, timeout=patience)


def say(line: connection.Connection, message: Any) -> None:
    """Plain pickle: a connection's own `send` would put tensors into shared memory."""
    line.send_bytes(pickle.dumps(message))


def hear(line: connection.Connection) -> Any:
    return pickle.loads(line.recv_bytes())
