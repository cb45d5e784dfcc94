"""Collectors as Ray actors on any number of machines; Ray moves weights and chunks between them."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
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
from btr_tm.run.remote.counts import Counts
from btr_tm.run.remote.processes import PATIENCE_S, STILLBORN
from btr_tm.run.remote.weights import set_weights, weights_of
from btr_tm.run.remote.worker import Build

CONNECT_S = 5.0


class RayWorker:
    """One actor: an environment, a copy of the policy, and chunks on demand."""

    def __init__(self, worker: int, life: int, build: Build, format: ChunkFormat) -> None:
        torch.set_num_threads(1)
        self.driver, self.format, self.version = build(worker, life), format, 0
        self.collector = InlineCollector(self.driver.env, format.decisions)

    def drive(self, version: int, frames: int, weights: np.ndarray) -> tuple[int, Arrays]:
        """A chunk driven with `weights` (W,), which Ray has fetched by reference."""
        if version != self.version:
            set_weights(self.driver.policy.net, torch.from_numpy(weights.copy()))
            self.version = version
        self.driver.clock.frames = frames
        chunk = self.collector.collect(self.driver.policy)
        arrays = {name: np.zeros(f.shape, f.dtype) for name, f in self.format.layout.fields.items()}
        self.format.pack(chunk.transitions, chunk.races, arrays)
        return version, arrays


class Place:
    """One worker's place; while no node has room for its actor it waits, and the others drive."""

    def __init__(self, worker: int, cars: int) -> None:
        self.worker, self.life = worker, 0
        self.cars = slice(worker * cars, (worker + 1) * cars)
        self.actor: Any = None
        self.asked: list[Any] = []  # references to chunks under way, oldest first
        self.received = self.stillborn = 0
        self.heard = 0.0


class RayCollector:
    """`num_workers` actors that share the cars of `env`; what is said of ProcessCollector holds here too.

    `address` is "local" (a Ray instance of this run's own), "auto" (the one this machine belongs to) or
    host:port. Actors ask for `resources` ({"CPU": 1, ...}); those that find no room wait for a node to join,
    and those on a node that leaves are started again elsewhere. `ahead` chunks per actor are under way.
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
        watch: Stopwatch | None = None,
    ) -> None:
        self.build, self.clock = build, clock
        self.format = ChunkFormat.of(env, num_workers, decisions)
        self.ray = connect(address, num_workers)
        self.resources, self.ahead = dict(resources), ahead
        self.publish_every, self.stale_versions, self.stall_s = publish_every, stale_versions, stall_s
        self.watch, self.counts = watch or Stopwatch(), Counts()
        self.places = [Place(worker, self.format.cars) for worker in range(num_workers)]
        self._version = self._updates = 0
        self._weights: Any = None
        self._lost: list[slice] = []

    def collect(self, policy: Policy) -> Chunk:
        """The next chunk that has arrived, or an empty one after `PATIENCE_S`."""
        self._publish(policy)
        for place in self.places:
            self._ask(place)
        with self.watch("waiting"):
            asked = {place.asked[0]: place for place in self.places if place.asked}
            ready, _ = self.ray.wait(list(asked), num_returns=1, timeout=PATIENCE_S)
        chunk = self._open(asked[ready[0]]) if ready else Chunk([], [], 0)
        self._check_hung()
        lost, self._lost = self._lost, []
        return chunk._replace(lost=lost, metrics=self.counts.sample())

    def _publish(self, policy: Any) -> None:
        if self._version and self.clock.updates < self._updates + self.publish_every:
            return
        begin = time.perf_counter()
        self._version, self._updates = self._version + 1, self.clock.updates
        self._weights = self.ray.put(weights_of(policy.net).cpu().numpy())
        self.counts.published(time.perf_counter() - begin)

    def _ask(self, place: Place) -> None:
        if place.actor is None:
            actor = self.ray.remote(RayWorker).options(**self._options())
            place.actor = actor.remote(place.worker, place.life, self.build, self.format)
            place.heard = time.monotonic()
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

    def _open(self, place: Place) -> Chunk:
        errors = self.ray.exceptions
        try:
            version, arrays = self.ray.get(place.asked.pop(0))
        except (errors.RayActorError, errors.RayTaskError, errors.ObjectLostError) as error:
            self._replace(place, "died", str(error))
            return Chunk([], [], 0)
        if not self.format.fits(arrays):
            self._replace(place, "damaged", "a chunk with other arrays than expected")
            return Chunk([], [], 0)
        place.received, place.heard = place.received + 1, time.monotonic()
        behind = self._version - version
        self.counts.arrived(behind, self.format.layout.size)
        if behind > self.stale_versions:
            self.counts.stale += 1
            return Chunk([], [], 0, cut=[place.cars])
        # Arrays from Ray's store are read-only; torch wants its own.
        transitions, races = self.format.unpack({name: array.copy() for name, array in arrays.items()})
        return Chunk(transitions, races, self.format.frames, place.cars)

    def _check_hung(self) -> None:
        """An actor that has driven before and does not answer; one that was never placed only waits."""
        now = time.monotonic()
        for place in self.places:
            if place.received and place.asked and now - place.heard > self.stall_s:
                ready, _ = self.ray.wait(place.asked[:1], num_returns=1, timeout=0)
                if not ready:
                    self._replace(place, "hung", "no chunk")

    def _replace(self, place: Place, fault: str, reason: str) -> None:
        place.stillborn = 0 if place.received else place.stillborn + 1
        if place.stillborn >= STILLBORN:
            raise UserError(
                f"expected collector {place.worker} to drive, got {STILLBORN} failures before its first "
                f"chunk ({' '.join(reason.split())[-300:]}); collector=inline shows where it happens"
            )
        self.counts.fault(fault)
        self._lost.append(place.cars)
        self.ray.kill(place.actor)
        place.actor, place.asked, place.received = None, [], 0
        place.life += 1

    def state_dict(self) -> dict[str, Any]:
        """Counters and lives; the races under way are not part of it."""
        return {"lives": [place.life for place in self.places], **self.counts.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the next life of every worker: new seeds, and what was under way is void."""
        self.counts.load_state_dict(state)
        for place, life in zip(self.places, state["lives"], strict=True):
            place.life = int(life) + 1
            self._lost.append(place.cars)

    def close(self) -> None:
        """End the actors, and the connection; safe to call twice."""
        if not self.ray.is_initialized():
            return
        for place in self.places:
            if place.actor is not None:
                self.ray.kill(place.actor)
                place.actor = None
        self.ray.shutdown()


def connect(address: str, workers: int) -> Any:
    """The ray module, connected; raises UserError where that cannot be."""
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "expected the package ray for collector=ray, found none; pip install 'btr-tm[ray]'"
        ) from error
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if address == "local":
        ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
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
