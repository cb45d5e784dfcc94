"""Collectors as Ray actors on any number of machines; Ray moves weights and chunks between them."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import Policy
from btr_tm.core.types import Chunk
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.run.collector import InlineCollector
from btr_tm.run.remote.chunk import Arrays, ChunkFormat
from btr_tm.run.remote.crew import PATIENCE_S, Crew, Place
from btr_tm.run.remote.processes import refuse_too_many
from btr_tm.run.remote.scratch import Scratch
from btr_tm.run.remote.weights import set_weights, weights_of
from btr_tm.run.remote.worker import Build, Driver

CONNECT_S = 5.0


class RayWorker:
    """One actor: an environment, a copy of the policy, and chunks on demand."""

    def __init__(self, worker: int, life: int, build: Build, format: ChunkFormat) -> None:
        self.told, self.format, self.version = (build, worker, life), format, 0
        self.cpu_s = 0.0

    def begin(self) -> bool:
        """Answers at once: the actor has found its place."""
        return True

    @cached_property
    def driver(self) -> Driver:
        torch.set_num_threads(1)
        build, worker, life = self.told
        return build(worker, life)

    @cached_property
    def collector(self) -> InlineCollector:
        return InlineCollector(self.driver.env, self.format.decisions)

    def drive(self, version: int, frames: int, weights: np.ndarray) -> tuple[int, float, Arrays]:
        """A chunk driven with `weights` (W,), which Ray has fetched by reference, and its CPU seconds."""
        if version != self.version:
            set_weights(self.driver.policy.net, torch.from_numpy(weights.copy()))
            self.version = version
        self.driver.clock.frames = frames
        chunk = self.collector.collect(self.driver.policy)
        arrays = {name: np.zeros(f.shape, f.dtype) for name, f in self.format.layout.fields.items()}
        self.format.pack(chunk.transitions, chunk.races, arrays)
        before, self.cpu_s = self.cpu_s, time.process_time()
        return version, self.cpu_s - before, arrays


class ActorPlace(Place):
    """A place on some node; while no node has room for its actor it waits, and the others drive."""

    def __init__(self, worker: int, cars: int) -> None:
        super().__init__(worker, cars)
        self.actor: Any = None
        self.asked: list[Any] = []  # references to chunks under way, oldest first
        self.begun: Any = None  # reference that is there once the actor has its place
        self.heard = math.inf  # when it last showed that it lives; an actor without a place only waits


class RayCollector:
    """`num_workers` actors that share the cars of `env`; what is said of ProcessCollector holds here too.

    `address` is "local" (a Ray instance of this run's own), "auto" (the one this machine belongs to) or
    host:port. Actors ask for `resources` ({"CPU": 1, ...}); those that find no room wait for a node to join,
    and those on a node that leaves are started again elsewhere. `ahead` chunks per actor are under way.
    Raises UserError if no actor at all finds room within `start_s`.
    """

    def __init__(
        self,
        build: Build,
        env: Any,
        net: nn.Module,
        clock: Clock,
        num_workers: int = 2,
        decisions: int = 8,
        address: str = "local",
        resources: Mapping[str, float] = {"CPU": 1},  # noqa: B006 (never changed)
        ahead: int = 2,
        publish_every: int = 1,
        stale_versions: int = 1000,
        stall_s: float = 60.0,
        start_s: float = 300.0,
        watch: Stopwatch | None = None,
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
        self.stall_s, self.watch = stall_s, watch or Stopwatch()
        self.places = [ActorPlace(worker, self.format.cars) for worker in range(num_workers)]
        self.crew = Crew(self.places, clock, publish_every, stale_versions)
        self.counts = self.crew.counts
        self._version, self._weights = 0, None  # as Ray holds them

    def collect(self, policy: Policy) -> Chunk:
        """A chunk of the worker that has waited for longest, or an empty one after `PATIENCE_S`."""
        self.crew.publish(lambda version: self._put(version, policy))
        for place in self.places:
            self._ask(place)
        with self.watch("waiting"):
            first = self._await_chunk()
        chunk = self._open(first) if first else Chunk([], [], 0)
        self._check_alive()
        return chunk._replace(lost=self.crew.take_lost(), metrics=self.counts.sample())

    def _put(self, version: int, policy: Any) -> None:
        self._version, self._weights = version, self.ray.put(weights_of(policy.net).cpu().numpy())

    def _ask(self, place: ActorPlace) -> None:
        if place.actor is None:
            actor = self.ray.remote(RayWorker).options(**self._options())
            place.actor = actor.remote(place.worker, place.life, self.build, self.format)
            place.begun, place.heard = place.actor.begin.remote(), math.inf
            self._room_by = min(self._room_by, time.monotonic() + self.start_s)
        while len(place.asked) < self.ahead:
            place.asked.append(place.actor.drive.remote(self._version, self.clock.frames, self._weights))

    def _options(self) -> dict[str, Any]:
        other = {name: share for name, share in self.resources.items() if name not in ("CPU", "GPU")}
        return {
            "num_cpus": self.resources.get("CPU", 0),
            "num_gpus": self.resources.get("GPU", 0),
            "resources": other,
            "max_restarts": 0,
        }

    def _await_chunk(self) -> ActorPlace | None:
        """The place whose chunk is next, on whichever node the chunk lies; None when patience ends."""
        asked = {place.asked[0]: place for place in self.places}
        # Were chunks fetched here, those of this machine would always come before those of others.
        self.ray.wait(list(asked), num_returns=1, timeout=PATIENCE_S, fetch_local=False)
        ready, _ = self.ray.wait(list(asked), num_returns=len(asked), timeout=0, fetch_local=False)
        return self.crew.next(asked[each] for each in ready)

    def _open(self, place: ActorPlace) -> Chunk:
        try:
            with self.watch("waiting"):
                version, cpu_s, arrays = self.ray.get(place.asked.pop(0), timeout=self.stall_s)
        except self.ray.exceptions.RayError as error:
            self._replace(place, "died", str(error))
            return Chunk([], [], 0)
        if not self.format.fits(arrays):
            self._replace(place, "damaged", "a chunk with other arrays than expected")
            return Chunk([], [], 0)
        place.heard = time.monotonic()
        self.watch.charge(cpu_s)
        if not self.crew.fresh(place, version, self.format.layout.size):
            return Chunk([], [], 0, cut=[place.cars])
        # Arrays from Ray's store are read-only; torch wants its own.
        transitions, races = self.format.unpack({name: array.copy() for name, array in arrays.items()})
        return Chunk(transitions, races, self.format.frames, place.cars)

    def _check_alive(self) -> None:
        """Replace actors that have a place and do not answer; those that wait for one may wait."""
        now = time.monotonic()
        for place in self.places:
            if place.heard == math.inf and place.begun is not None and self._is_there(place.begun):
                place.heard, self._room_by = now, math.inf
            silent, limit = now - place.heard, self.stall_s if place.received else self.start_s
            if place.asked and silent > limit and not self._is_there(place.asked[0]):
                self._replace(place, "hung", f"no chunk within {limit} s")
        if now > self._room_by and all(place.life == 0 and place.heard == math.inf for place in self.places):
            raise UserError(
                f"expected a node with room for a collector that needs {self.resources}, got none within "
                f"{self.start_s:.0f} s; start nodes that have it, or ask for less with collector.resources"
            )

    def _is_there(self, reference: Any) -> bool:
        """Whether it is ready on any node: fetching it may take a while."""
        return bool(self.ray.wait([reference], num_returns=1, timeout=0, fetch_local=False)[0])

    def _replace(self, place: ActorPlace, fault: str, reason: str) -> None:
        self.crew.bury(place, fault, reason)
        self.ray.kill(place.actor)
        place.actor, place.asked = None, []

    def state_dict(self) -> dict[str, Any]:
        return self.crew.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.crew.load_state_dict(state)

    def close(self) -> None:
        """End the actors, and the connection; safe to call twice."""
        if self.ray.is_initialized():
            for place in self.places:
                if place.actor is not None:
                    self.ray.kill(place.actor)
                    place.actor = None
            self.ray.shutdown()
        self._undo.close()


def connect(
    address: str,
    workers: int,
    resources: Mapping[str, float] = {"CPU": 1},
    chunk_bytes: int = 0,  # noqa: B006
    folder: Path | None = None,
) -> Any:
    """The ray module, connected; "local" has room for `workers` with their `resources` and chunks, and
    writes its logs and sockets to `folder`.

    Raises UserError where that cannot be.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "expected the package ray for collector=ray, found none; pip install 'btr-tm[ray]'"
        ) from error
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if address == "local":
        refuse_too_many(workers, chunk_bytes, "num_workers")
        room = {name: workers * share for name, share in resources.items()}
        cpus, gpus = (math.ceil(room.pop(name, 0)) for name in ("CPU", "GPU"))
        quiet |= {"include_dashboard": False, "_temp_dir": str(folder) if folder else None}
        ray.init("local", num_cpus=cpus, num_gpus=gpus or None, resources=room, **quiet)
        return ray
    _refuse_unreachable(address)
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise unreachable(address, str(error)) from error
    return ray


def unreachable(address: str, reason: str) -> UserError:
    """The sentence for a cluster that does not answer."""
    return UserError(
        f"expected a Ray cluster at collector.address={address}, got none "
        f"({' '.join(reason.split())[:150]}); start one with  ray start --head  or set "
        "collector.address=local"
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
