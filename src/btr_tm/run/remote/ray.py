"""Collectors as Ray actors on any number of machines; Ray moves weights and chunks between them."""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict

import numpy as np
import torch
from torch import nn

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import DrivingEnv, Policy
from btr_tm.core.types import Chunk, StateDict
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.run.collector import InlineCollector
from btr_tm.run.remote.chunk import Arrays, ChunkFormat
from btr_tm.run.remote.processes import LEAVE_S, refuse_too_many
from btr_tm.run.remote.scratch import Scratch
from btr_tm.run.remote.supervisor import PATIENCE_S, Supervisor, WorkerHandle
from btr_tm.run.remote.weights import set_weights, weights_of
from btr_tm.run.remote.worker import BuildWorker, WorkerParts

CONNECT_S = 5.0


class RayWorker:
    """One actor: an environment, a copy of the policy, and chunks on demand."""

    def __init__(self, worker: int, generation: int, build: BuildWorker, format: ChunkFormat) -> None:
        self.worker, self.generation, self.build = worker, generation, build
        self.format, self.version, self.cpu_s = format, 0, 0.0

    def begin(self) -> bool:
        """Answers at once: some node has room for the actor."""
        return True

    @cached_property
    def parts(self) -> WorkerParts:
        torch.set_num_threads(1)
        return self.build(self.worker, self.generation)

    @cached_property
    def collector(self) -> InlineCollector:
        return InlineCollector(self.parts.env, self.format.decisions)

    def drive(self, version: int, frames: int, weights: np.ndarray) -> tuple[int, float, Arrays]:
        """A chunk driven with `weights` (W,), which Ray has fetched by reference, and its CPU seconds."""
        if version != self.version:
            set_weights(self.parts.policy.net, torch.from_numpy(weights.copy()))
            self.version = version
        self.parts.clock.frames = frames
        chunk = self.collector.collect(self.parts.policy)
        arrays = {name: np.zeros(f.shape, f.dtype) for name, f in self.format.layout.fields.items()}
        self.format.pack(chunk.transitions, chunk.races, arrays)
        self.format.pack_losses(chunk, arrays)
        before, self.cpu_s = self.cpu_s, time.process_time()
        return version, self.cpu_s - before, arrays

    def leave(self) -> None:
        """Let go of the game."""
        if "parts" in vars(self):
            self.parts.env.close()


class RayHandle(WorkerHandle):
    """A worker actor; while no node has room for it, it waits and the others drive."""

    actor: Any = None  # ray has no types for remote calls
    begun: object = None  # reference that is ready once the actor has found room

    def __init__(self, worker: int, cars: int) -> None:
        super().__init__(worker, cars)
        self.requested: list[object] = []  # references to chunks under way, oldest first
        self.heard = math.inf  # when it last showed that it lives; an actor without room only waits


class ActorOptions(TypedDict):
    """What Ray is asked for, for one actor."""

    num_cpus: float
    num_gpus: float
    resources: dict[str, float]
    max_restarts: int


class RayCollector:
    """`num_workers` actors that share the cars of `env`; otherwise as ProcessCollector.

    `address` is "local" (a Ray instance of this run's own), "auto" (the one this machine belongs to) or
    host:port. Actors ask for `resources` ({"CPU": 1, ...}); those that find no room wait for a node to join,
    and those on a node that leaves are started again elsewhere. `ahead` chunks per actor are under way.
    Raises UserError if no actor at all finds room within `start_s`.
    """

    waits_between_chunks = True  # an actor does nothing until it is asked for another one

    def __init__(
        self,
        build: BuildWorker,
        env: DrivingEnv,
        net: nn.Module,
        clock: Clock,
        num_workers: int,
        decisions: int,
        address: str,
        resources: Mapping[str, float],
        ahead: int,
        publish_every: int,
        stale_versions: int,
        stall_s: float,
        start_s: float,
    ) -> None:
        self.build, self.clock = build, clock
        self.format = ChunkFormat.of(env, num_workers, decisions)
        chunk_bytes = ahead * self.format.layout.size
        with ExitStack() as undo:
            folder = None
            if address == "local":
                scratch = Scratch("btr_ray_")
                undo.callback(scratch.close)
                folder = scratch.folder
            self.ray = connect(address, num_workers, resources, chunk_bytes, folder)
            self._undo = undo.pop_all()
        self.start_s, self._room_by = start_s, math.inf
        self.resources, self.ahead = dict(resources), ahead
        self.stall_s, self.first_s = max(stall_s, env.patience_s), max(start_s, env.patience_s)
        self.watch = Stopwatch()
        self.handles = [RayHandle(worker, self.format.cars) for worker in range(num_workers)]
        self.supervisor = Supervisor(self.handles, clock, publish_every, stale_versions)
        self.counts = self.supervisor.counts
        self._version = 0
        self._weights: object = None  # reference to what Ray holds

    def collect(self, policy: Policy) -> Chunk:
        """A chunk of the worker served longest ago, or an empty one after `PATIENCE_S`."""
        self.supervisor.publish(lambda version: self._put(version, policy))
        for handle in self.handles:
            self._request(handle)
        with self.watch("waiting"):
            first = self._await_chunk()
        chunk = self._open(first) if first else Chunk([], [], 0)
        self._check_alive()
        return chunk._replace(lost=[*self.supervisor.take_lost(), *chunk.lost], metrics=self.counts.sample())

    def _put(self, version: int, policy: Policy) -> None:
        self._version, self._weights = version, self.ray.put(weights_of(policy.net).cpu().numpy())

    def _request(self, handle: RayHandle) -> None:
        """Start the actor where there is none, and keep `ahead` chunks under way."""
        if handle.actor is None:
            actor = self.ray.remote(RayWorker).options(**self._options())
            handle.actor = actor.remote(handle.worker, handle.generation, self.build, self.format)
            handle.begun, handle.heard = handle.actor.begin.remote(), math.inf
            self._room_by = min(self._room_by, time.monotonic() + self.start_s)
        while len(handle.requested) < self.ahead:
            chunk = handle.actor.drive.remote(self._version, self.clock.frames, self._weights)
            handle.requested.append(chunk)

    def _options(self) -> ActorOptions:
        other = {name: share for name, share in self.resources.items() if name not in ("CPU", "GPU")}
        return {
            "num_cpus": self.resources.get("CPU", 0),
            "num_gpus": self.resources.get("GPU", 0),
            "resources": other,
            "max_restarts": 0,
        }

    def _await_chunk(self) -> RayHandle | None:
        """The worker whose chunk is next, on whichever node the chunk lies; None after `PATIENCE_S`."""
        oldest = {handle.requested[0]: handle for handle in self.handles}
        # Were chunks fetched here, those of this machine would always come before those of others.
        self.ray.wait(list(oldest), num_returns=1, timeout=PATIENCE_S, fetch_local=False)
        ready, _ = self.ray.wait(list(oldest), num_returns=len(oldest), timeout=0, fetch_local=False)
        return self.supervisor.next(oldest[each] for each in ready)

    def _open(self, handle: RayHandle) -> Chunk:
        try:
            with self.watch("waiting"):
                version, cpu_s, arrays = self.ray.get(handle.requested.pop(0), timeout=self.stall_s)
        except self.ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, UserError):  # another start would end in the same way
                raise cause from error
            self._replace(handle, "died", str(error))
            return Chunk([], [], 0)
        if not self.format.fits(arrays):
            self._replace(handle, "damaged", "a chunk with other arrays than expected")
            return Chunk([], [], 0)
        handle.heard = time.monotonic()
        self.watch.charge(cpu_s)
        lost = self.supervisor.lost_in_game(handle, *self.format.unpack_losses(arrays))
        if not self.supervisor.accept(handle, version, self.format.layout.size):
            return Chunk([], [], 0, lost=lost, cut=[handle.cars])
        # Arrays from Ray's store are read-only; torch wants its own.
        transitions, races = self.format.unpack({name: array.copy() for name, array in arrays.items()})
        return Chunk(transitions, races, self.format.frames, handle.cars, lost)

    def _check_alive(self) -> None:
        """Replace actors that have room and do not answer; those that wait for room may wait."""
        now = time.monotonic()
        for handle in self.handles:
            if handle.heard == math.inf and handle.begun is not None and self._is_ready(handle.begun):
                handle.heard, self._room_by = now, math.inf
            silent, limit = now - handle.heard, self.stall_s if handle.received else self.first_s
            if handle.requested and silent > limit and not self._is_ready(handle.requested[0]):
                self._replace(handle, "hung", f"no chunk within {limit} s")
        if now > self._room_by and all(h.generation == 0 and h.heard == math.inf for h in self.handles):
            raise UserError(
                f"no node had room for a collector that needs {self.resources} within {self.start_s:.0f} s; "
                "start nodes that have it, or ask for less with collector.resources"
            )

    def _is_ready(self, reference: object) -> bool:
        """Whether it lies ready on any node: fetching it may take a while."""
        return bool(self.ray.wait([reference], num_returns=1, timeout=0, fetch_local=False)[0])

    def _replace(self, handle: RayHandle, fault: str, reason: str) -> None:
        self.supervisor.failed(handle, fault, reason)
        self.ray.kill(handle.actor)
        handle.actor, handle.requested = None, []

    def state_dict(self) -> StateDict:
        return self.supervisor.state_dict()

    def load_state_dict(self, state: StateDict) -> None:
        self.supervisor.load_state_dict(state)

    def close(self) -> None:
        """End the actors, and the connection; safe to call twice."""
        if self.ray.is_initialized():
            driving = [handle.actor for handle in self.handles if handle.actor and handle.heard != math.inf]
            left = [actor.leave.remote() for actor in driving]
            if left:
                self.ray.wait(left, num_returns=len(left), timeout=LEAVE_S)
            for handle in self.handles:
                if handle.actor is not None:
                    self.ray.kill(handle.actor)
                    handle.actor = None
            self.ray.shutdown()
        self._undo.close()


def connect(
    address: str, workers: int, resources: Mapping[str, float], chunk_bytes: int, folder: Path | None
) -> ModuleType:
    """The ray module, connected; "local" has room for `workers` with their `resources` and chunks,
    writes its logs and sockets to `folder`, and can be reached from this machine only.

    Raises UserError where that cannot be.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError("collector=ray needs the package ray; pip install 'btr-tm[ray]'") from error
    if address == "local":
        refuse_too_many(workers, chunk_bytes, "num_workers")
        room = {name: workers * share for name, share in resources.items()}
        cpus, gpus = (math.ceil(room.pop(name, 0)) for name in ("CPU", "GPU"))
        with _closed_to_others(ray):
            ray.init(
                "local", num_cpus=cpus, num_gpus=gpus or None, resources=room, include_dashboard=False,
                log_to_driver=False, configure_logging=False, _temp_dir=str(folder) if folder else None,
            )  # fmt: skip
        return ray
    _refuse_unreachable(address)
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise unreachable(address, str(error)) from error
    return ray


@contextmanager
def _closed_to_others(ray: ModuleType) -> Iterator[None]:
    """What starts meanwhile listens on this machine only.

    Ray has no argument for that: it listens on every interface where clusters are possible, and only there.
    Its servers ask for a token by themselves, and a remark of Ray says so.
    """
    constants, remarks = ray._private.ray_constants, logging.getLogger("ray._private.authentication")
    possible, level = constants.ENABLE_RAY_CLUSTER, remarks.level
    variable = constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    constants.ENABLE_RAY_CLUSTER = False
    said = os.environ.get(variable)
    os.environ[variable] = "0"  # the same for the processes that it starts
    remarks.setLevel(logging.ERROR)
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = possible
        os.environ.pop(variable)
        os.environ.update({} if said is None else {variable: said})
        remarks.setLevel(level)


def unreachable(address: str, reason: str) -> UserError:
    """The sentence for a cluster that does not answer."""
    return UserError(
        f"no Ray cluster answers at collector.address={address} ({' '.join(reason.split())[:150]}); "
        "start one with  ray start --head  or set collector.address=local"
    )


def _refuse_unreachable(address: str) -> None:
    """Ray tries for minutes; a socket knows within seconds."""
    host, _, port = address.rpartition(":")
    if not host:
        return  # "auto" is looked up on this machine
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise unreachable(address, str(error)) from error
