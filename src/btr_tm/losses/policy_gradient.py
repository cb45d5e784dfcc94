"""The loss of proximal policy optimisation (PPO, Schulman et al. 2017, arXiv:1707.06347), and advantages.

Shapes: T decisions of E cars in order of time, B decisions of a minibatch, A actions, K actions of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.block import by_slot, of_action
from btr_tm.core.errors import UserError


def advantages(
    reward: Tensor, value: Tensor, next_value: Tensor, discount: Tensor, ended: Tensor, trace: float
) -> Tensor:
    """Generalised advantage estimates (Schulman et al. 2016, arXiv:1506.02438, equation 16).

    All (T, E): `next_value` is that of the true successor, `discount` is gamma, or 0 where the race is over
    and nothing follows. `ended` (bool) is where the next row belongs to another race: a race that was cut off
    still has the value of what it would have come to, but no later errors. `trace` is lambda.
    """
    error = reward + discount * next_value - value
    carried = torch.where(ended, 0.0, trace * discount)
    found, later = torch.empty_like(error), torch.zeros_like(error[0])
    for t in reversed(range(len(error))):
        later = error[t] + carried[t] * later
        found[t] = later
    return found


def log_probability(logits: Tensor, action: Tensor) -> Tensor:
    """(B,) of the actions (B,) or (B, K) under logits (B, A) or (B, K, A); a block is chosen slot by slot."""
    return of_action(logits.log_softmax(-1), action)


def entropy(logits: Tensor) -> Tensor:
    """(B,) in nats, summed over the slots of a block."""
    log_p = by_slot(logits).log_softmax(-1)  # (B, K, A)
    return -(log_p.exp() * log_p).sum((1, 2))


class Sample(NamedTuple):
    """Decisions of a minibatch, and what the policy that drove them thought; all (B,)."""

    log_p: Tensor
    value: Tensor
    advantage: Tensor
    goal: Tensor  # what the critic should have said: advantage + value


class PolicyErrors(NamedTuple):
    """Parts of the loss of a minibatch, each ()."""

    loss: Tensor
    policy_loss: Tensor
    value_loss: Tensor
    entropy: Tensor
    kl: Tensor  # estimate of KL(old || new), (r - 1) - log r
    clipped: Tensor  # share of decisions outside the clip range


@dataclass(frozen=True)
class ClippedSurrogate:
    """The loss of PPO; `value_clip` 0 leaves the critic free, else it may move so far from its old word.

    The mean squared error of the critic counts `value_weight`, the entropy of the policy `entropy_weight`.
    """

    clip: float
    value_clip: float
    value_weight: float
    entropy_weight: float

    def __post_init__(self) -> None:
        if not 0.0 < self.clip < 1.0:
            raise UserError(f"learner.loss.clip must lie between 0 and 1, got {self.clip}")
        weights = ("value_clip", "value_weight", "entropy_weight")
        for name in (name for name in weights if getattr(self, name) < 0.0):
            raise UserError(f"learner.loss.{name} must be 0 or larger, got {getattr(self, name)}")

    def __call__(self, logits: Tensor, value: Tensor, action: Tensor, old: Sample) -> PolicyErrors:
        """Of logits (B, [K,] A) and values (B,) of the present network for the decisions of `old`."""
        log_ratio = log_probability(logits, action) - old.log_p
        ratio = log_ratio.exp()
        near = ratio.clamp(1.0 - self.clip, 1.0 + self.clip)
        policy_loss = -torch.minimum(ratio * old.advantage, near * old.advantage).mean()
        if self.value_clip:
            value = old.value + (value - old.value).clamp(-self.value_clip, self.value_clip)
        value_loss = (value - old.goal).square().mean()
        disorder = entropy(logits).mean()
        loss = policy_loss + self.value_weight * value_loss - self.entropy_weight * disorder
        with torch.no_grad():
            kl = (ratio - 1.0 - log_ratio).mean()
            clipped = ((ratio - 1.0).abs() > self.clip).float().mean()
        parts = (policy_loss.detach(), value_loss.detach(), disorder.detach())
        return PolicyErrors(loss, *parts, kl, clipped)


def normalised(advantage: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 within a minibatch (B,); a single one stays as it is."""
    if len(advantage) < 2:
        return advantage
    return (advantage - advantage.mean()) / (advantage.std() + 1e-8)
