"""What a class that a configuration names as learner must have; docs/learners.md says more."""

from __future__ import annotations

from typing import Protocol

from btr_tm.core.protocols import Learner, Policy


class LearnerClass(Protocol):
    """Builds a learner and what drives. Both methods get those of the known parts that they name."""

    def policy(self, **known: object) -> Policy:
        """Called on the class itself: what drives."""
        ...

    def build(self, **known: object) -> Learner:
        """Trains the network of the policy."""
        ...
