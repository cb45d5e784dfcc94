"""What learners and their policies have in common beyond what a run asks of every one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from btr_tm.core.protocols import Learner, Policy
from btr_tm.nets.network import Network


class TrainedPolicy(Policy, Protocol):
    """Drives with a network of ours."""

    @property
    def net(self) -> Network: ...

    def forget(self) -> None:
        """Some tensors of the network have been replaced."""
        ...


class TrainedLearner(Learner, Protocol):
    """Trains such a network."""

    @property
    def policy(self) -> TrainedPolicy: ...

    @property
    def driver(self) -> TrainedPolicy: ...

    @property
    def networks(self) -> Iterable[Network]:
        """All that are run."""
        ...
