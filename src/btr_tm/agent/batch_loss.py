"""The quantile Huber loss of a batch and its gradient, worked off in parts that fit the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from btr_tm.agent.parallel import Team
from btr_tm.core.block import of_action
from btr_tm.core.protocols import NetPair, TargetFn
from btr_tm.core.tree import tree_map
from btr_tm.core.types import Batch, Obs
from btr_tm.losses.quantile import draw_taus, pairwise_td, quantile_huber
from btr_tm.losses.self_loss import SelfLoss
from btr_tm.nets.iqn import IQN


class Errors(NamedTuple):
    """Per sample, without gradient."""

    loss: Tensor  # (B,) before importance weights
    td_abs: Tensor  # (B,) sum over predicted, mean over target quantiles of |td|
    target: Tensor  # (B,) mean target quantile
    q: Tensor  # (B, A) or (B, K, A), mean over quantiles


class _Part(NamedTuple):
    """Some samples of a batch and their fractions."""

    rows: slice
    batch: Batch
    taus: Tensor  # (B, N) of the prediction
    target_taus: Tensor  # (B, N)


@dataclass(frozen=True)
class BatchLoss:
    """Loss of `online` towards `target` at `taus` random fractions each, drawn from `generator`.

    A batch is worked off in parts of `micro_batch` samples, with the same gradient as the whole up to
    rounding, and by the processes of `team`. If the self-loss has to know the whole batch and there are
    several parts, the targets of all are computed first, which costs one more forward pass of the online
    network.
    """

    online: IQN
    target_net: IQN
    target: TargetFn
    generator: torch.Generator
    self_loss: SelfLoss
    taus: int
    symmetric_taus: bool
    kappa: float
    reduction: Literal["mean", "sum"]
    micro_batch: int
    team: Team

    def backward(self, batch: Batch, scaled: Callable[[Tensor], Tensor]) -> Errors:
        """Add the gradient of `scaled` of the loss to the parameters of the online network."""
        size = len(batch.weight)
        share = self.team.processes * (1.0 / size if self.reduction == "mean" else 1.0)
        parts = self._parts(batch, self.team.rows(size))
        ahead = self._targets_ahead(parts, size)
        done = []
        for index, part in enumerate(parts):
            with self.team.part(last=index == len(parts) - 1):
                quantiles = self._predict(part, self.team.forward)
                if ahead:
                    target = ahead[index]
                else:
                    target = self._target(part, quantiles)
                    self.self_loss.observe(target, part.target_taus, self.kappa)
                loss, errors = self._errors(part, quantiles, target)
                scaled((part.batch.weight * loss).sum() * share).backward()
            done.append(errors)
        return Errors(*(self.team.whole(leaf, size) for leaf in self._joined(done)))

    @torch.no_grad()
    def measure(self, batch: Batch) -> Errors:
        """The errors alone. Nothing that a later update depends on changes but the generator.

        The networks keep their noise; layers with noise per sample draw it for these samples.
        """
        for net in (self.online, self.target_net):
            net.fit_noise(self.generator, len(batch.weight))
        done = []
        for part in self._parts(batch, slice(0, len(batch.weight))):
            quantiles = self._predict(part, self.online)
            done.append(self._errors(part, quantiles, self._target(part, quantiles))[1])
        return self._joined(done)

    def reduce(self, batch: Batch, errors: Errors) -> Tensor:
        """The loss of the batch, importance weights included."""
        weighted = batch.weight * errors.loss
        return weighted.mean() if self.reduction == "mean" else weighted.sum()

    def _parts(self, batch: Batch, own: slice) -> list[_Part]:
        """The samples `own`; fractions are drawn for all."""
        size = len(batch.weight)
        taus = draw_taus(size, self.taus, self.generator, self.symmetric_taus)
        target_taus = draw_taus(size, self.taus, self.generator, self.symmetric_taus)
        parts = []
        for first in range(own.start, own.stop, self.micro_batch):
            rows = slice(first, min(first + self.micro_batch, own.stop))
            some = tree_map(lambda leaf, rows=rows: leaf[rows], batch)
            parts.append(_Part(rows, some, taus[rows], target_taus[rows]))
        return parts

    @torch.no_grad()
    def _targets_ahead(self, parts: list[_Part], size: int) -> list[Tensor]:
        """The targets of all parts, if they have to be known before the first loss; else nothing."""
        if len(parts[0].taus) == size or not self.self_loss.needs_batch:
            return []
        targets = [self._target(part, self._predict(part, self.online)) for part in parts]
        taus = torch.cat([part.target_taus for part in parts])
        self.self_loss.observe(
            self.team.whole(torch.cat(targets), size), self.team.whole(taus, size), self.kappa
        )
        return targets

    def _predict(self, part: _Part, forward: Callable[[Obs, Tensor], Tensor]) -> Tensor:
        """Quantiles (B, N, [K,] A) of the online network."""
        for net in (self.online, self.target_net):
            net.select_noise(part.rows)
        return forward(part.batch.obs, part.taus)

    def _target(self, part: _Part, quantiles: Tensor) -> Tensor:
        """(B, N), for the part that was last predicted."""
        return self.target(
            NetPair(self.online, self.target_net), part.batch, quantiles.detach(), part.target_taus
        )

    def _errors(self, part: _Part, quantiles: Tensor, target: Tensor) -> tuple[Tensor, Errors]:
        td = pairwise_td(of_action(quantiles, part.batch.action), target)
        factor = self.self_loss.factor(target, part.target_taus, self.kappa)
        loss = quantile_huber(td, part.taus, self.kappa) * factor
        td_abs = td.detach().abs().sum(1).mean(1)
        return loss, Errors(loss.detach(), td_abs, target.mean(1), quantiles.detach().mean(1))

    def _joined(self, parts: list[Errors]) -> Errors:
        for net in (self.online, self.target_net):
            net.select_noise(slice(None))
        return Errors(*(torch.cat(leaves) for leaves in zip(*parts, strict=True)))
