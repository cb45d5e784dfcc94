"""Exploration by parameter noise, alone or with a share of random actions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from btr_tm.core.schedule import Constant, Schedule
from btr_tm.exploration.epsilon_boltzmann import Draw, EpsilonBoltzmann


@dataclass(frozen=True)
class NoisyGreedy:
    """Always the best action of the noisy network: the noise alone explores."""

    noise = True
    needs_noise = True  # without a noisy head nothing is explored

    def __call__(self, q: Tensor, generator: torch.Generator, frames: int) -> tuple[Tensor, Tensor]:
        """q (E, A) or (E, K, A) -> action (E,) or (E, K) int64, greedy (E,) bool, always true."""
        return q.argmax(-1), torch.ones(len(q), dtype=torch.bool, device=q.device)

    def measure(self, frames: int) -> dict[str, float]:
        """Nothing is scheduled."""
        return {}


@dataclass(frozen=True)
class NoisyEpsilon:
    """Parameter noise and, with chance `epsilon`, a uniformly random action, as in BTR's paper.

    There epsilon is 0 in the second half of the run: `core.schedule.Decay` with `stop_frames`. `draw` is that
    of EpsilonBoltzmann.
    """

    epsilon: Schedule
    draw: Draw
    noise = True

    def __call__(self, q: Tensor, generator: torch.Generator, frames: int) -> tuple[Tensor, Tensor]:
        """q (E, A) or (E, K, A) -> action (E,) or (E, K) int64, greedy (E,) bool."""
        return EpsilonBoltzmann(self.epsilon, Constant(0.0), 0.0, self.draw)(q, generator, frames)

    def measure(self, frames: int) -> dict[str, float]:
        """The chance at this point of the run."""
        return {"epsilon": self.epsilon(frames)}
