"""Learning to see before learning to drive: an image encoder trained on pictures alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from btr_tm.agent.driver_weights import DriverWeights
from btr_tm.agent.random_policy import RandomPolicy
from btr_tm.agent.step import GuardedStep
from btr_tm.core.block import Block
from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Stateful, Update
from btr_tm.core.schedule import Schedule
from btr_tm.core.tree import take_rows
from btr_tm.core.types import Batch, StateDict
from btr_tm.nets.pretraining import PretrainingNet


@dataclass(frozen=True)
class PretrainingBuilder:
    """What a configuration says of pretraining; a run adds what `step` and `driver_weights` still lack.

    `rows_at_once` rows of a batch go through the network together, and are compared with each other alone.
    """

    learning_rate: Schedule
    rows_at_once: int
    step: Callable[..., GuardedStep]
    driver_weights: Callable[[PretrainingNet], DriverWeights[PretrainingNet]]

    on_policy = False
    probed = False
    learns_pictures = True

    @staticmethod
    def policy(net: PretrainingNet, generator: torch.Generator, actions: int, block: Block) -> RandomPolicy:
        """Drives for the pictures."""
        return RandomPolicy(net, generator, actions, block)

    def build(
        self,
        policy: RandomPolicy,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        generator: torch.Generator,
        clock: Clock,
    ) -> PretrainingLearner:
        """Trains `policy.net`, whose parameters it lays out anew; `generator` is for augmentation."""
        return PretrainingLearner(self, policy, optimizer, generator, clock)


class PretrainingLearner:
    """Trains the network that `policy` carries on the pictures of batches, and reads nothing else there."""

    extra_uses = 0

    def __init__(
        self,
        parts: PretrainingBuilder,
        policy: RandomPolicy,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        generator: torch.Generator,
        clock: Clock,
    ) -> None:
        assert isinstance(policy.net, PretrainingNet), type(policy.net)
        self.policy, self.online, self.generator, self.clock = policy, policy.net, generator, clock
        self.rows_at_once = parts.rows_at_once
        self.learning_rate, self.step = parts.learning_rate, parts.step(self.online, optimizer)
        self.driver_weights = parts.driver_weights(self.online)
        self.driver = policy.with_net(self.driver_weights.net)

    @property
    def networks(self) -> set[PretrainingNet]:
        """All that are run."""
        return {self.online, self.driver_weights.net}

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
        return {"loss": loss.mean()}

    def take(self) -> dict[str, Tensor | float]:
        """For a row of the log."""
        rate = self.learning_rate(self.clock.frames)
        return {"settings/weight_decay": self.step.weight_decay_ratio * rate}

    def close(self) -> None:
        """Nothing to release."""

    def state_dict(self) -> StateDict:
        """Everything the next update depends on, loadable with `weights_only=True`."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {"online": self.online.state_dict(), **parts, "generator": self.generator.get_state()}

    def load_state_dict(self, state: StateDict) -> None:
        self.online.load_state_dict(state["online"])
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.generator.set_state(state["generator"].cpu())

    def _parts(self) -> dict[str, Stateful]:
        return {"step": self.step, "driver": self.driver_weights, "policy": self.policy}
