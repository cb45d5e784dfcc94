"""Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347): several passes over each rollout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from btr_tm.agent.execution import Execution
from btr_tm.agent.net_learner import BuildOptimizer, NetLearner, NetLearnerBuilder
from btr_tm.agent.ppo_policy import PpoPolicy
from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import Update
from btr_tm.core.tree import take_rows
from btr_tm.core.types import Batch, Obs, StateDict
from btr_tm.losses.policy_gradient import (
    ClippedSurrogate,
    PolicyErrors,
    Sample,
    advantages,
    log_probability,
    normalised,
)
from btr_tm.nets.actor_critic import ActorCritic, Opinion

KL_MARGIN = 1.5  # times `target_kl`: where a rollout has been learnt from enough (OpenAI Baselines, SB3)


@dataclass(frozen=True)
class Passes:
    """How a rollout is learnt from: `epochs` times, each time in another order, in `minibatches` steps.

    `rows_at_once` decisions go through the network together. An update ends early where the policy has moved
    1.5 times `target_kl` nats away from the one that drove; 0 never ends it. `trace` is GAE's lambda.
    """

    epochs: int
    minibatches: int
    rows_at_once: int
    trace: float
    target_kl: float

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise UserError(f"learner.passes.epochs must be 1 or larger, got {self.epochs}")
        if self.minibatches < 1:
            raise UserError(f"learner.passes.minibatches must be 1 or larger, got {self.minibatches}")
        if not 0.0 <= self.trace <= 1.0:
            raise UserError(f"learner.passes.trace must lie between 0 and 1, got {self.trace}")
        if self.target_kl < 0.0:
            raise UserError(f"learner.passes.target_kl must be 0 or larger, got {self.target_kl}")


@dataclass(frozen=True)
class PpoBuilder(NetLearnerBuilder[ActorCritic]):
    """What a configuration says of PPO."""

    loss: ClippedSurrogate
    passes: Passes

    on_policy = True
    probed = False

    @staticmethod
    def policy(net: ActorCritic, clock: Clock, generator: torch.Generator, execution: Execution) -> PpoPolicy:
        """Drives with `net`."""
        return PpoPolicy(net, clock, generator, execution)

    def build(self, policy: PpoPolicy, optimizer: BuildOptimizer, generator: torch.Generator) -> PpoLearner:
        """Trains the network of `policy`; `generator` draws the order of rows."""
        return PpoLearner(self, policy, optimizer, generator)


class PpoLearner(NetLearner[ActorCritic]):
    """Trains the network of `policy` on rollouts that it has driven itself, with its present weights.

    So what the driver thought is what the network says when an update begins, and nobody has to store it.
    Each estimate of a spectral norm follows after a step: the network that an update begins with is the one
    that drove, to the bit.
    """

    def __init__(
        self, parts: PpoBuilder, policy: PpoPolicy, optimizer: BuildOptimizer, generator: torch.Generator
    ) -> None:
        super().__init__(parts, policy, optimizer, generator, policy.clock)
        self.loss, self.passes = parts.loss, parts.passes
        self.samples = 0  # decisions learnt from, repetitions counted

    def update(self, batch: Batch) -> Update:
        """All passes over one rollout. The end by `target_kl` waits for the device at every step."""
        old = self.appraise(batch)
        rate = self.learning_rate(self.clock.frames)
        found, norms = [], []
        for rows in self._minibatches(len(old.log_p)):
            errors = self._gradient(batch, old, rows)
            found.append(torch.stack(errors))
            if self.passes.target_kl and float(errors.kl) > KL_MARGIN * self.passes.target_kl:
                break
            norms.append(self.step(rate))
            self.online.power_iteration()
            self.driver_weights(self.online)
            self.samples += len(rows)
        names = ("loss", "policy_loss", "value_loss", "entropy", "kl", "ratio_clipped")
        figures = dict(zip(names, torch.stack(found).mean(0), strict=True))
        return Update(figures | self._rest(old, norms, rate), old.advantage.abs())

    def _rest(self, old: Sample, norms: list[Tensor], rate: float) -> dict[str, Tensor]:
        """Figures of the whole update."""
        norm = torch.stack(norms) if norms else old.value.new_zeros(1)
        unexplained = (old.goal - old.value).var(correction=0) / old.goal.var(correction=0).clamp_min(1e-12)
        per_epoch = min(self.passes.minibatches, len(old.value))
        return {
            "grad_norm": norm.mean(),
            "grad_clipped": (norm > self.step.clip_norm).float().mean(),
            "explained_variance": 1.0 - unexplained,
            "epochs": torch.full_like(norm[0], len(norms) / per_epoch),
            "learning_rate": torch.full_like(norm[0], rate),
        }

    @torch.no_grad()
    def appraise(self, batch: Batch) -> Sample:
        """What the present network says of a rollout, of all its rows (B,)."""
        (ended,) = batch.ended
        logits, value = self._opinions(batch.obs)
        reward, values, discount = (part.view_as(ended) for part in (batch.reward, value, batch.discount))
        # What follows a row is the next one, unless another race does; nothing follows a race that is over.
        follows = torch.cat([values[1:], torch.zeros_like(values[:1])])
        asked = ended.clone()
        asked[-1] = True
        rows = (asked & (discount > 0)).flatten().nonzero()[:, 0]  # device sync point
        if len(rows):
            follows.view(-1)[rows] = self._opinions(take_rows(batch.next_obs, rows)).value
        found = advantages(reward, values, follows, discount, ended, self.passes.trace).flatten()
        return Sample(log_probability(logits, batch.action), value, found, found + value)

    def _opinions(self, obs: Obs) -> Opinion:
        """Of all rows, some at a time."""
        size = self.passes.rows_at_once
        parts = zip(*(part.split(size) for part in obs), strict=True)
        said = [self.online(Obs(*part)) for part in parts]
        return Opinion(*(torch.cat(leaves) for leaves in zip(*said, strict=True)))

    def _minibatches(self, size: int) -> Iterator[Tensor]:
        """Rows of each step, as equal in number as they can be."""
        for _ in range(self.passes.epochs):
            order = torch.randperm(size, generator=self.generator, device=self.generator.device)
            yield from order.tensor_split(min(self.passes.minibatches, size))

    def _gradient(self, batch: Batch, old: Sample, rows: Tensor) -> PolicyErrors:
        """Leave the gradient of the minibatch `rows` in place; the parts of its loss."""
        self.step.clear()
        sample = take_rows(old, rows)
        sample = sample._replace(advantage=normalised(sample.advantage))
        total = torch.zeros(len(PolicyErrors._fields), device=rows.device)
        for at in torch.arange(len(rows), device=rows.device).split(self.passes.rows_at_once):
            obs, action = take_rows(batch.obs, rows[at]), batch.action[rows[at]]
            said: Opinion = self.online(obs)
            errors = self.loss(said.logits, said.value, action, take_rows(sample, at))
            share = len(at) / len(rows)
            self.step.scaling.scaled(share * errors.loss).backward()
            total += share * torch.stack(errors).detach()
        return PolicyErrors(*total)

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of a rollout that is not learnt from."""
        old = self.appraise(batch)
        old = old._replace(advantage=normalised(old.advantage))
        with torch.no_grad():
            said = self._opinions(batch.obs)
            return {"loss": self.loss(said.logits, said.value, batch.action, old).loss}

    def take(self) -> dict[str, Tensor | float]:
        """For a row of the log; a rollout is used as often as there are epochs."""
        epochs = self.passes.epochs
        return {
            "settings/weight_decay": self.weight_decay,
            "settings/uses_per_transition": epochs,
            "replay/samples_used": self.samples,
            "replay/samples_due": epochs * self.clock.frames,
        }

    def state_dict(self) -> StateDict:
        return super().state_dict() | {"samples": self.samples}

    def load_state_dict(self, state: StateDict) -> None:
        super().load_state_dict(state)
        self.samples = int(state["samples"])
