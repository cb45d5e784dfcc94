"""Protocols of the parts of a run that have more than one implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from btr_tm.agent.parallel import ProcessGroup
from btr_tm.core.protocols import Learner, Policy, Stateful
from btr_tm.core.types import Chunk
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.nets.iqn import IQN
from btr_tm.run.race import Race


class Collector(Stateful, Protocol):
    """Drives cars and returns their transitions and races."""

    watch: Stopwatch  # the run's; a collector charges its own activities to it

    def collect(self, policy: Policy) -> Chunk:
        """Transitions and races since the last call; may be empty when the cars are remote.

        Tensors are valid until the next call.
        """
        ...

    def close(self) -> None:
        """Release environments and processes; safe to call twice."""
        ...


class LearningProcesses(Protocol):
    """The processes that learn together; the one that was started, the head, also drives, saves and logs."""

    @property
    def group(self) -> Callable[[IQN], ProcessGroup]:
        """Makes what an online network and its copies in the other processes learn through."""
        ...

    def lead(self, learner: Learner) -> Learner:
        """`learner`, whose updates are now those of all processes."""
        ...

    def charge_to(self, watch: Stopwatch) -> None:
        """Charge the CPU seconds of the other processes to `watch`."""
        ...

    def close(self) -> None:
        """End the other processes; safe to call twice."""
        ...


class Evaluation(Protocol):
    """Races without exploration."""

    def begin(self, policy: Policy, stop: Callable[[], bool]) -> bool:
        """Begin one, after the one before has ended; False if `stop()` came before its end."""
        ...

    def ended(self, wait: bool) -> Mapping[str, float]:
        """Metrics of the section `eval`, once for each that was begun; none before its end; `wait` for it."""
        ...


class TrainingRaces(Stateful, Protocol):
    """What is kept of the races that training drives."""

    def add(self, chunk: Chunk, frames: int) -> None:
        """What was driven until the clock said `frames`."""
        ...

    def take(self) -> Race:
        """The fastest race from the start line so far."""
        ...


class Checkpointing(Protocol):
    """Saves the run, so that it can be continued."""

    def save(self) -> bool:
        """False if it could not be written."""
        ...
