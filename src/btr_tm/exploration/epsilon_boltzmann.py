"""Random and perturbed actions by schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from btr_tm.core.schedule import Schedule

Draw = Literal["per_action", "per_block"]


@dataclass(frozen=True)
class EpsilonBoltzmann:
    """A uniformly random action with chance `epsilon`, else with chance `epsilon_boltzmann` the best of q +
    tau * N(0, 1).

    The second draw is called Boltzmann by the TrackMania agents it comes from; it is a Gaussian perturbation.
    Where a decision is a block of actions, `draw` says whether chance decides for each of them by itself, or
    once for all: then all are random, all perturbed or all best, though not all the same action.
    """

    epsilon: Schedule
    epsilon_boltzmann: Schedule
    tau: float  # in units of Q
    draw: Draw
    noise = False  # parameter noise is off while acting

    def __call__(self, q: Tensor, generator: torch.Generator, frames: int) -> tuple[Tensor, Tensor]:
        """q (E, A) or (E, K, A) -> action (E,) or (E, K) int64, greedy (E,) bool: all are the argmax of q."""
        epsilon, perturbed = self.epsilon(frames), self.epsilon_boltzmann(frames)
        best = q.argmax(-1)
        shape = best.shape if self.draw == "per_action" else (len(q), *(1,) * (best.dim() - 1))
        draw = torch.rand(shape, generator=generator, device=q.device)
        random = torch.randint(q.shape[-1], best.shape, generator=generator, device=q.device)
        noise = torch.randn(q.shape, generator=generator, device=q.device)
        near = (q + self.tau * noise).argmax(-1)
        action = torch.where(draw < epsilon, random, torch.where(draw < epsilon + perturbed, near, best))
        return action, (action == best).reshape(len(q), -1).all(1)

    def measure(self, frames: int) -> dict[str, float]:
        """Chances and perturbation at this point of the run."""
        chances = {"epsilon": self.epsilon(frames), "epsilon_boltzmann": self.epsilon_boltzmann(frames)}
        return chances | {"boltzmann_tau": self.tau}
