"""What all learners have in common that train the one network of their policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol

import torch
from torch import nn

from btr_tm.agent.driver_weights import DriverWeights, Net
from btr_tm.agent.step import GuardedStep
from btr_tm.agent.trained import TrainedPolicy
from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Stateful
from btr_tm.core.schedule import Schedule
from btr_tm.core.types import StateDict

BuildOptimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


class PolicyWith(TrainedPolicy, Stateful, Protocol[Net]):
    """Drives with a network of a certain kind."""

    @property
    def net(self) -> Net: ...

    def with_net(self, net: Net) -> TrainedPolicy:
        """This policy if it has `net`, else one like it that has."""
        ...


@dataclass(frozen=True)
class NetLearnerBuilder(Generic[Net]):
    """What a configuration says of each of them; a run adds what `step` and `driver_weights` still lack."""

    learning_rate: Schedule
    step: Callable[..., GuardedStep]
    driver_weights: Callable[[Net], DriverWeights[Net]]


class NetLearner(Generic[Net]):
    """The base: trains `policy.net`, whose parameters it lays out anew; `generator` is for what it draws.

    `driver` is the policy that is evaluated and saved.
    """

    extra_uses = 0

    def __init__(
        self,
        parts: NetLearnerBuilder[Net],
        policy: PolicyWith[Net],
        optimizer: BuildOptimizer,
        generator: torch.Generator,
        clock: Clock,
    ) -> None:
        self.policy, self.online, self.generator, self.clock = policy, policy.net, generator, clock
        self.learning_rate, self.step = parts.learning_rate, parts.step(self.online, optimizer)
        policy.forget()
        self.driver_weights = parts.driver_weights(self.online)
        self.driver = policy.with_net(self.driver_weights.net)

    @property
    def networks(self) -> set[Net]:
        """All that are run."""
        return {self.online, self.driver_weights.net}

    @property
    def weight_decay(self) -> float:
        """Share by which parameters shrink at an update, at this moment."""
        return self.step.weight_decay_ratio * self.learning_rate(self.clock.frames)

    def close(self) -> None:
        """Nothing to release."""

    def state_dict(self) -> StateDict:
        """Everything the next update depends on, loadable with `weights_only=True`."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {"online": self.online.state_dict(), **parts, "generator": self.generator.get_state()}

    def load_state_dict(self, state: StateDict) -> None:
        self.policy.forget()
        self.online.load_state_dict(state["online"])
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.generator.set_state(state["generator"].cpu())

    def _parts(self) -> dict[str, Stateful]:
        return {"step": self.step, "driver": self.driver_weights, "policy": self.policy}
