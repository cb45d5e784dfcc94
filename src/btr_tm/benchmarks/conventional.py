"""BTR's update in the usual eager way, for comparison: three forward passes, autograd, Adam over a list.

Written from the description in Clark et al. 2024 (arXiv:2411.03820). As in BTR's code, log pi comes from a
second forward pass of the online network, with fractions of its own and without gradient.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from btr_tm.benchmarks.conventional_net import ConventionalNet
from btr_tm.core.types import Batch


class ConventionalLearner:
    """Munchausen, quantile regression, Adam (1e-4), clipping, a hard target copy every `target_every`."""

    def __init__(
        self,
        net: ConventionalNet,
        taus: int = 8,
        learning_rate: float = 1e-4,
        adam_eps: float = 0.005 / 256,
        clip_norm: float = 10.0,
        alpha: float = 0.9,
        entropy_tau: float = 0.03,
        clip_min: float = -1.0,
        kappa: float = 1.0,
        target_every: int = 500,
    ) -> None:
        self.online, self.target = net, copy.deepcopy(net).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.online.parameters(), lr=learning_rate, eps=adam_eps)
        self.taus, self.clip_norm, self.kappa = taus, clip_norm, kappa
        self.alpha, self.entropy_tau, self.clip_min = alpha, entropy_tau, clip_min
        self.target_every, self.updates = target_every, 0

    def update(self, batch: Batch) -> Tensor:
        """One gradient step; the priorities (B,)."""
        self.target.reset_noise()
        if self.updates % self.target_every == 0:
            self.target.load_state_dict(self.online.state_dict())
        size, device = (len(batch.action), self.taus), batch.action.device
        taus, log_pi_taus, target_taus = (torch.rand(size, device=device) for _ in range(3))
        loss, priority = self.loss(batch, taus, log_pi_taus, target_taus)
        self.optimizer.zero_grad()
        loss.backward()
        self.clip()
        self.optimizer.step()
        self.updates += 1
        return priority

    def clip(self) -> Tensor:
        """The norm of the gradient before it is bounded."""
        return nn.utils.clip_grad_norm_(self.online.parameters(), self.clip_norm)

    def loss(
        self, batch: Batch, taus: Tensor, log_pi_taus: Tensor, target_taus: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The weighted loss () and the priorities (B,), for fractions (B, N) of the three forward passes."""
        target = self._target(batch, log_pi_taus, target_taus)
        quantiles = self.online(batch.obs.image, taus)
        index = batch.action.view(-1, 1, 1).expand(-1, quantiles.shape[1], 1)
        chosen = quantiles.gather(2, index)  # (B, N, 1)
        error = target.unsqueeze(1) - chosen  # (B, N, N)
        huber = nn.functional.huber_loss(
            chosen.expand_as(error), target.unsqueeze(1).expand_as(error), reduction="none", delta=self.kappa
        )
        weight = torch.abs(taus.unsqueeze(2) - (error.detach() < 0).float())
        loss = (weight * huber / self.kappa).sum(dim=1).mean(dim=1)
        priority = error.detach().abs().sum(dim=1).mean(dim=1)
        return (batch.weight * loss).mean(), priority

    @torch.no_grad()
    def _target(self, batch: Batch, log_pi_taus: Tensor, target_taus: Tensor) -> Tensor:
        """(B, N)."""
        following = self.target(batch.next_obs.image, target_taus)
        log_policy = self._scaled_log_softmax(following.mean(dim=1))
        policy = torch.softmax(following.mean(dim=1) / self.entropy_tau, dim=1)
        soft = (policy.unsqueeze(1) * (following - log_policy.unsqueeze(1))).sum(dim=2)
        current = self.online(batch.obs.image, log_pi_taus).mean(dim=1)
        log_pi = self._scaled_log_softmax(current).gather(1, batch.action.unsqueeze(1))
        bonus = self.alpha * log_pi.clamp(self.clip_min, 0.0)
        return batch.reward.unsqueeze(1) + bonus + batch.discount.unsqueeze(1) * soft

    def _scaled_log_softmax(self, q: Tensor) -> Tensor:
        """tau log softmax(q / tau), (B, A)."""
        above = q - q.max(dim=1, keepdim=True).values
        return above - self.entropy_tau * torch.logsumexp(above / self.entropy_tau, dim=1, keepdim=True)
