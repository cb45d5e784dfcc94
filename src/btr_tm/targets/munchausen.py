"""Munchausen's soft target (Vieillard et al. 2020, arXiv:2007.14430) for quantile networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from btr_tm.core.block import by_slot
from btr_tm.core.protocols import NetPair
from btr_tm.core.types import Batch, States, Step


@dataclass(frozen=True)
class Munchausen:
    """Soft bootstrap plus a clipped log-policy bonus for the action taken.

    bonus = alpha * clip(tau log pi(a|s), clip_min, 0) with clip_on="tau_log_pi" (paper), or
    alpha * tau * clip(log pi(a|s), clip_min, 0) with "log_pi" (the published TrackMania runs: at most 0.027
    in size). log pi of the states that were acted in comes from the online network (BTR's code; of the first
    state it is the prediction, no further forward pass) or from the target network (BTR's paper).

    nstep="first": the bonus of the first action only, and no entropy between the ends of the n-step return
    (BTR). "all": chained one-step targets, with gamma^k times bonus and entropy of each state on the way.
    Each slot of a block has a policy of its own; values, bonuses and entropies are summed over slots.
    """

    entropy_in_target = True

    alpha: float
    entropy_tau: float
    clip_min: float
    clip_on: Literal["tau_log_pi", "log_pi"]
    log_pi_from: Literal["online", "target"]
    nstep: Literal["first", "all"]

    @property
    def states(self) -> States:
        return "ends" if self.nstep == "first" else "all"

    @torch.no_grad()
    def __call__(self, nets: NetPair, batch: Batch, q_online: Tensor, taus: Tensor) -> Tensor:
        current = q_online if self.log_pi_from == "online" else nets.target(batch.obs, taus)
        bonus = self.bonus(current.mean(1), batch.action)
        for step in batch.inner:  # none of them with nstep="first"
            bonus = bonus + self._on_the_way(nets, step, taus)
        value = soft_value(nets.target(batch.next_obs, taus), self.entropy_tau)
        return bonus[:, None] + (batch.reward[:, None] + batch.discount[:, None] * value)

    def _on_the_way(self, nets: NetPair, step: Step, taus: Tensor) -> Tensor:
        """(B,) what a one-step target adds at a state between the ends, discounted."""
        q_target = nets.target(step.obs, taus).mean(1)
        q = q_target if self.log_pi_from == "target" else nets.online(step.obs, taus).mean(1)
        entropy = scaled_entropy(q_target, self.entropy_tau).sum(1)
        return step.discount * (self.bonus(q, step.action) + entropy)

    def bonus(self, q: Tensor, action: Tensor) -> Tensor:
        """(B, A), (B,) or (B, K, A), (B, K) -> (B,), the sum over slots.

        Each slot gives something between alpha * clip_min (times tau for clip_on="log_pi") and 0.
        """
        return self.alpha * self._log_pi(q, action).clamp(self._low, 0.0).sum(1)

    def _log_pi(self, q: Tensor, action: Tensor) -> Tensor:
        """tau log pi of the actions taken, (B, K)."""
        log_pi = scaled_log_softmax(by_slot(q), self.entropy_tau)
        return log_pi.gather(2, action.reshape(len(action), -1, 1))[..., 0]

    @property
    def _low(self) -> float:
        """Where tau log pi is clipped."""
        return self.clip_min if self.clip_on == "tau_log_pi" else self.clip_min * self.entropy_tau

    @torch.no_grad()
    def measure(self, q: Tensor, action: Tensor) -> dict[str, Tensor]:
        """Of the online policy, from its Q (B, A) or (B, K, A).

        Entropy in nats and clipped share are those of a single action, the bonus is that of a decision.
        """
        return {
            "entropy": (scaled_entropy(q, self.entropy_tau) / self.entropy_tau).mean(),
            "bonus_mean": self.bonus(q, action).mean(),
            "bonus_clipped": (self._log_pi(q, action) < self._low).float().mean(),
        }


def scaled_log_softmax(q: Tensor, tau: float) -> Tensor:
    """tau * log softmax(q / tau) over the last axis, in the form that stays exact for small tau."""
    above = q - q.amax(-1, keepdim=True)
    return above - tau * torch.logsumexp(above / tau, -1, keepdim=True)


def scaled_entropy(q: Tensor, tau: float) -> Tensor:
    """tau * entropy of softmax(q / tau): (B, A) or (B, K, A) -> (B, K)."""
    slots = by_slot(q)
    return -(torch.softmax(slots / tau, -1) * scaled_log_softmax(slots, tau)).sum(-1)


def soft_value(quantiles: Tensor, tau: float) -> Tensor:
    """sum_a pi(a) (Z(a) - tau log pi(a)), pi = softmax of the mean over quantiles, summed over slots.

    (B, N, A) or (B, N, K, A) -> (B, N).
    """
    slots = by_slot(quantiles, 2)
    q = slots.mean(1)
    policy = torch.softmax(q / tau, -1)
    soft = (policy[:, None] * (slots - scaled_log_softmax(q, tau)[:, None])).sum(3)
    return soft.sum(2)
