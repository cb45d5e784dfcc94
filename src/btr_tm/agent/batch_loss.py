"""The loss of a batch and its gradient, in micro-batches; shapes as in core.types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from btr_tm.agent.parallel import ProcessGroup
from btr_tm.core.block import of_action
from btr_tm.core.protocols import NetPair, TargetFn
from btr_tm.core.tree import tree_map
from btr_tm.core.types import Batch, Obs, StateDict
from btr_tm.losses.quantile import draw_taus, refuse_odd
from btr_tm.losses.self_loss import SelfLoss
from btr_tm.losses.value_loss import ValueLoss
from btr_tm.nets.iqn import IQN


class Errors(NamedTuple):
    """Per sample, without gradient."""

    loss: Tensor  # (B,) before importance weights
    td_abs: Tensor  # (B,) sum over predicted, mean over target values of |td|
    target: Tensor  # (B,) mean of the target
    q: Tensor  # (B, A) or (B, K, A)


class MicroBatch(NamedTuple):
    rows: slice  # of the whole batch
    batch: Batch
    taus: Tensor  # (B, N) of the prediction
    target_taus: Tensor  # (B, N)


@dataclass(frozen=True)
class BatchLoss:
    """Loss of `online` towards `target`, at `taus` fractions each for prediction and target.

    Fractions are drawn from `generator`. Micro-batches of `micro_batch` samples, and the processes of
    `group`, give the same gradient as the whole batch at once, up to rounding. Raises UserError for an odd
    number of mirrored fractions (`symmetric_taus`).
    """

    online: IQN
    target_net: IQN
    target: TargetFn
    self_loss: SelfLoss
    generator: torch.Generator
    group: ProcessGroup
    taus: int
    symmetric_taus: bool
    value_loss: ValueLoss
    reduction: Literal["mean", "sum"]
    micro_batch: int

    def __post_init__(self) -> None:
        refuse_odd("taus", self.taus, self.symmetric_taus)

    def backward(self, batch: Batch, scaled: Callable[[Tensor], Tensor]) -> Errors:
        """Add the gradient of `scaled` of the loss to the parameters of the online network."""
        size = len(batch.weight)
        # Gradients of micro-batches add up, so a sample counts as in the whole batch. The group takes the
        # mean over its processes where their sum is meant: each counts as often as there are processes.
        factor = self.group.processes * (1.0 / size if self.reduction == "mean" else 1.0)
        micro_batches = self._split(batch, self.group.rows(size))
        targets = self._targets_ahead(micro_batches, size)
        errors = []
        for index, micro in enumerate(micro_batches):
            # The backward pass stays inside: in the last one the processes exchange what has added up.
            with self.group.micro_batch(last=index == len(micro_batches) - 1):
                outputs = self._predict(micro, self.group.forward)
                if targets:
                    target = targets[index]
                else:
                    target = self._target(micro, outputs)
                    self.self_loss.observe(target, micro.target_taus)
                loss, found = self._errors(micro, outputs, target)
                scaled((micro.batch.weight * loss).sum() * factor).backward()
            errors.append(found)
        return Errors(*(self.group.gather(leaf, size) for leaf in self._joined(errors)))

    @torch.no_grad()
    def measure(self, batch: Batch) -> Errors:
        """The errors alone. Nothing that a later update depends on changes but the generator.

        The networks keep their noise; layers with noise per sample draw it for these samples.
        """
        for net in (self.online, self.target_net):
            net.fit_noise(self.generator, len(batch.weight))
        errors = []
        for micro in self._split(batch, slice(0, len(batch.weight))):
            outputs = self._predict(micro, self.online)
            errors.append(self._errors(micro, outputs, self._target(micro, outputs))[1])
        return self._joined(errors)

    def reduce(self, batch: Batch, errors: Errors) -> Tensor:
        """The loss of the batch, importance weights included."""
        weighted = batch.weight * errors.loss
        return weighted.mean() if self.reduction == "mean" else weighted.sum()

    def measure_actions(self, q: Tensor, action: Tensor) -> dict[str, Tensor]:
        """Scalars by name that say how action values `q` (B, [K,] A) stand to the actions taken."""
        return self.target.measure(q, action)

    def _split(self, batch: Batch, own: slice) -> list[MicroBatch]:
        """The rows `own` in micro-batches."""
        size = len(batch.weight)
        # For the whole batch, whatever is split: every process has to draw the same.
        taus = draw_taus(size, self.taus, self.generator, self.symmetric_taus)
        target_taus = draw_taus(size, self.taus, self.generator, self.symmetric_taus)
        micro_batches = []
        for first in range(own.start, own.stop, self.micro_batch):
            rows = slice(first, min(first + self.micro_batch, own.stop))
            some = tree_map(lambda leaf, rows=rows: leaf[rows], batch)
            micro_batches.append(MicroBatch(rows, some, taus[rows], target_taus[rows]))
        return micro_batches

    @torch.no_grad()
    def _targets_ahead(self, micro_batches: list[MicroBatch], size: int) -> list[Tensor]:
        """All targets, by one more forward pass, if a self-loss makes each loss depend on all; else none."""
        if len(micro_batches[0].taus) == size or not self.self_loss.needs_batch:
            return []
        targets = [self._target(micro, self._predict(micro, self.online)) for micro in micro_batches]
        taus = [micro.target_taus for micro in micro_batches]
        whole, at = (self.group.gather(torch.cat(parts), size) for parts in (targets, taus))
        self.self_loss.observe(whole, at)
        return targets

    def _predict(self, micro: MicroBatch, forward: Callable[[Obs, Tensor], Tensor]) -> Tensor:
        """Outputs (B, n, [K,] A) of the online network."""
        for net in (self.online, self.target_net):
            net.select_noise(micro.rows)  # of layers with noise per sample; the target is asked next
        return forward(micro.batch.obs, micro.taus)

    def _target(self, micro: MicroBatch, outputs: Tensor) -> Tensor:
        """(B, N'), for the micro-batch that was predicted last."""
        nets = NetPair(self.online.values, self.target_net.values)
        q_online = self.online.reading.read(outputs.detach())
        return self.target(nets, micro.batch, q_online, micro.target_taus)

    def _errors(self, micro: MicroBatch, outputs: Tensor, target: Tensor) -> tuple[Tensor, Errors]:
        action, values = micro.batch.action, self.online.reading.read(outputs.detach())
        scores = self.value_loss(of_action(outputs, action), target, micro.taus)
        loss = scores.loss * self.self_loss.factor(target, micro.target_taus)
        return loss, Errors(loss.detach(), scores.td_abs, target.mean(1), values.mean(1))

    def _joined(self, errors: list[Errors]) -> Errors:
        """Of all micro-batches; the networks are back to the noise of all samples."""
        for net in (self.online, self.target_net):
            net.select_noise(slice(None))
        return Errors(*(torch.cat(leaves) for leaves in zip(*errors, strict=True)))

    def state_dict(self) -> StateDict:
        return {"self_loss": self.self_loss.state_dict(), "generator": self.generator.get_state()}

    def load_state_dict(self, state: StateDict) -> None:
        self.self_loss.load_state_dict(state["self_loss"])
        self.generator.set_state(state["generator"].cpu())
