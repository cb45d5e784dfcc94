"""Random and perturbed actions by schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from btr_tm.core.schedule import Constant, Schedule

Draw = Literal["per_action", "per_block"]


@dataclass(frozen=True)
class EpsilonBoltzmann:
    """A uniformly random action with chance `epsilon`, else with chance `epsilon_boltzmann` the best of q +
    tau * N(0, 1).

    The second draw is called Boltzmann by the TrackMania agents it comes from; it is a Gaussian perturbation.
    Where a decision is a block of actions, `draw` says whether each of them is drawn for by itself or one
    draw makes all of them random, perturbed or best; random and perturbed ones still differ from each other.
    """

    epsilon: Schedule
    epsilon_boltzmann: Schedule = Constant(0.0)  # noqa: RUF009 (frozen)
    tau: float = 0.01  # in units of Q
    draw: Draw = "per_action"
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
