"""Munchausen's soft target (Vieillard et al. 2020, arXiv:2007.14430) for quantile networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from btr_tm.core.protocols import NetPair
from btr_tm.core.types import Batch
from btr_tm.target.greedy import bootstrap


@dataclass(frozen=True)
class Munchausen:
    """Soft bootstrap plus a clipped log-policy bonus for the action taken, once per n-step return.

    bonus = alpha * clip(tau log pi(a|s), clip_min, 0) with clip_on="tau_log_pi" (paper), or
    alpha * tau * clip(log pi(a|s), clip_min, 0) with "log_pi" (the published TrackMania runs: at most 0.027
    in size). log pi of the current state comes from the online network's prediction (BTR's code, no further
    forward pass) or from the target network (BTR's paper).
    """

    alpha: float = 0.9
    entropy_tau: float = 0.03
    clip_min: float = -1.0
    clip_on: Literal["tau_log_pi", "log_pi"] = "tau_log_pi"
    log_pi_from: Literal["online", "target"] = "online"

    @torch.no_grad()
    def __call__(self, nets: NetPair, batch: Batch, q_online: Tensor, taus: Tensor) -> Tensor:
        current = q_online if self.log_pi_from == "online" else nets.target(batch.obs, taus)
        bonus = self.bonus(current.mean(1), batch.action)
        value = soft_value(nets.target(batch.next_obs, taus), self.entropy_tau)
        return bonus[:, None] + bootstrap(batch, value)

    def bonus(self, q: Tensor, action: Tensor) -> Tensor:
        """(B, A), (B,) -> (B,), between alpha * clip_min (times tau for clip_on="log_pi") and 0."""
        log_pi = scaled_log_softmax(q, self.entropy_tau).gather(1, action[:, None])[:, 0]  # times tau
        low = self.clip_min if self.clip_on == "tau_log_pi" else self.clip_min * self.entropy_tau
        return self.alpha * log_pi.clamp(low, 0.0)

    @torch.no_grad()
    def measure(self, q_online: Tensor, action: Tensor) -> dict[str, Tensor]:
        """Entropy in nats, mean bonus and clipped share of the online policy, from its Q (B, A)."""
        tau_log_pi = scaled_log_softmax(q_online, self.entropy_tau)
        low = self.clip_min if self.clip_on == "tau_log_pi" else self.clip_min * self.entropy_tau
        taken = tau_log_pi.gather(1, action[:, None])
        entropy = -(torch.softmax(q_online / self.entropy_tau, 1) * tau_log_pi).sum(1) / self.entropy_tau
        return {
            "entropy": entropy.mean(),
            "bonus_mean": self.bonus(q_online, action).mean(),
            "bonus_clipped": (taken < low).float().mean(),
        }


def scaled_log_softmax(q: Tensor, tau: float) -> Tensor:
    """tau * log softmax(q / tau) over the last axis, in the form that stays exact for small tau."""
    above = q - q.amax(-1, keepdim=True)
    return above - tau * torch.logsumexp(above / tau, -1, keepdim=True)


def soft_value(quantiles: Tensor, tau: float) -> Tensor:
    """sum_a pi(a) (Z(a) - tau log pi(a)), pi = softmax of the mean over quantiles: (B, N, A) -> (B, N)."""
    q = quantiles.mean(1)
    policy = torch.softmax(q / tau, -1)
    return (policy[:, None, :] * (quantiles - scaled_log_softmax(q, tau)[:, None, :])).sum(2)
