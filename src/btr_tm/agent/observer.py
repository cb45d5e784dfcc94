"""What may watch the learner at work without changing what it learns."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from btr_tm.agent.step import GuardedStep
from btr_tm.core.protocols import Stateful
from btr_tm.core.types import StateDict
from btr_tm.nets.iqn import IQN


class Observer(Stateful, Protocol):
    """Called around every update; changes neither the network nor anybody else's random numbers."""

    def before(self, online: IQN) -> None:
        """The update has not begun."""
        ...

    def after(self, online: IQN, step: GuardedStep) -> None:
        """The update is over; `step` still holds its gradient."""
        ...

    def take(self) -> dict[str, Tensor | float]:
        """Metrics by full name, of what was measured since this was last asked."""
        ...


class NoObserver:
    """Nobody watches."""

    def before(self, online: IQN) -> None:
        pass

    def after(self, online: IQN, step: GuardedStep) -> None:
        pass

    def take(self) -> dict[str, Tensor | float]:
        return {}

    def state_dict(self) -> StateDict:
        return {}

    def load_state_dict(self, state: StateDict) -> None:
        pass
