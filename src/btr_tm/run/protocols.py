"""What the loop asks of the parts that more than one class of this package or of a user can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from btr_tm.core.protocols import Policy, Stateful
from btr_tm.core.types import Chunk
from btr_tm.metrics.stopwatch import Stopwatch


class Collector(Stateful, Protocol):
    """Drives cars and hands over what they experienced."""

    watch: Stopwatch  # the run's; a collector charges its own activities to it

    def collect(self, policy: Policy) -> Chunk:
        """Transitions and races since the last call; may be empty when the cars are remote.

        Tensors are valid until the next call.
        """
        ...

    def close(self) -> None:
        """Release environments and processes; safe to call twice."""
        ...


class Evaluation(Protocol):
    """Races without exploration."""

    def run(self, policy: Policy, stop: Callable[[], bool]) -> Mapping[str, float]:
        """Metrics of the section `eval`; none if `stop()` came before the end."""
        ...


class Checkpointing(Protocol):
    """Keeps the run, so that it can be continued."""

    def save(self) -> bool:
        """False if it could not be written."""
        ...
