"""Learning to see before learning to drive: an image encoder trained on pictures alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from btr_tm.agent.net_learner import BuildOptimizer, NetLearner, NetLearnerBuilder
from btr_tm.agent.random_policy import RandomPolicy
from btr_tm.core.block import Block
from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Update
from btr_tm.core.tree import take_rows
from btr_tm.core.types import Batch
from btr_tm.nets.pretraining import PretrainingNet


@dataclass(frozen=True)
class PretrainingBuilder(NetLearnerBuilder[PretrainingNet]):
    """What a configuration says of pretraining.

    `rows_at_once` rows of a batch go through the network together, and are compared with each other alone.
    """

    rows_at_once: int

    on_policy = False
    probed = False
    learns_pictures = True

    @staticmethod
    def policy(
        net: PretrainingNet, generator: torch.Generator, actions: int, block: Block
    ) -> RandomPolicy[PretrainingNet]:
        """Drives for the pictures."""
        return RandomPolicy(net, generator, actions, block)

    def build(
        self,
        policy: RandomPolicy[PretrainingNet],
        optimizer: BuildOptimizer,
        generator: torch.Generator,
        clock: Clock,
    ) -> PretrainingLearner:
        """Trains the network of `policy`; `generator` is for augmentation."""
        return PretrainingLearner(self, policy, optimizer, generator, clock)


class PretrainingLearner(NetLearner[PretrainingNet]):
    """Trains the network that `policy` carries on the pictures of batches, and reads nothing else there."""

    def __init__(
        self,
        parts: PretrainingBuilder,
        policy: RandomPolicy[PretrainingNet],
        optimizer: BuildOptimizer,
        generator: torch.Generator,
        clock: Clock,
    ) -> None:
        super().__init__(parts, policy, optimizer, generator, clock)
        self.rows_at_once = parts.rows_at_once

    def update(self, batch: Batch) -> Update:
        """One gradient step; if it is not finite it is not applied, and the metrics show it."""
        self.online.power_iteration()
        self.step.clear()
        loss, figures = self._scores(batch, self._add_gradient)
        rate = self.learning_rate(self.clock.frames)
        norm = self.step(rate)
        self.driver_weights(self.online)
        figures |= {"loss": (batch.weight * loss).mean(), "grad_norm": norm}
        figures |= {"grad_clipped": (norm > self.step.clip_norm).float()}
        figures["learning_rate"] = torch.full_like(norm, rate)
        return Update(figures, torch.nan_to_num(loss, posinf=0.0))

    def _add_gradient(self, loss: Tensor) -> None:
        self.step.scaling.scaled(loss).backward()

    def _scores(self, batch: Batch, use: Callable[[Tensor], None]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss (B,) and mean figures; `use` takes the share of each part in the loss of the batch."""
        losses, figures = [], []
        rows = torch.arange(len(batch.weight), device=batch.weight.device)
        for some in rows.split(self.rows_at_once):
            part = take_rows(batch, some)
            score = self.online.objective(self.online, part, self.generator)
            use((part.weight * score.loss).sum() / len(rows))
            losses.append(score.loss.detach())
            figures.append(score.figures)
        means = {name: torch.stack([each[name] for each in figures]).mean() for name in figures[0]}
        return torch.cat(losses), means

    @torch.no_grad()
    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of pictures that are not learnt from; no later update is any different for it."""
        state = self.generator.get_state()
        loss, _ = self._scores(batch, lambda loss: None)
        self.generator.set_state(state)
        return {"loss": (batch.weight * loss).mean()}  # NaN where there is none to test

    def take(self) -> dict[str, Tensor | float]:
        """For a row of the log."""
        return {"settings/weight_decay": self.weight_decay}
