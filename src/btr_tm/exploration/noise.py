"""Exploration by parameter noise, alone or with a share of random actions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from btr_tm.core.schedule import Schedule
from btr_tm.exploration.epsilon_boltzmann import EpsilonBoltzmann


@dataclass(frozen=True)
class Noisy:
    """The best action of the noisy network; epsilon and Boltzmann do not exist here."""

    noise = True

    def __call__(self, q: Tensor, generator: torch.Generator, frames: int) -> tuple[Tensor, Tensor]:
        """q (E, A) -> action (E,) int64, greedy (E,) bool, always true."""
        best = q.argmax(1)
        return best, torch.ones_like(best, dtype=torch.bool)


@dataclass(frozen=True)
class NoisyEpsilon:
    """Parameter noise and, with chance `epsilon`, a uniformly random action, as in BTR's paper."""

    epsilon: Schedule
    noise = True

    def __call__(self, q: Tensor, generator: torch.Generator, frames: int) -> tuple[Tensor, Tensor]:
        """q (E, A) -> action (E,) int64, greedy (E,) bool."""
        return EpsilonBoltzmann(self.epsilon)(q, generator, frames)
