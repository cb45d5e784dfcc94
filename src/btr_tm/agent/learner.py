"""One update: prediction, target, quantile Huber loss, step; nothing here waits for the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from btr_tm.agent.noise import RedrawBoth
from btr_tm.agent.policy import IqnPolicy
from btr_tm.agent.step import GuardedStep
from btr_tm.agent.target_sync import HardSync, target_copy
from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import NetPair
from btr_tm.core.schedule import Schedule
from btr_tm.core.tree import tree_map
from btr_tm.core.types import Batch
from btr_tm.losses.quantile import draw_taus, pairwise_td, quantile_huber
from btr_tm.nets.iqn import IQN
from btr_tm.target.greedy import of_action


class Target(Protocol):
    """A TargetFn that can also describe itself in numbers."""

    def __call__(self, nets: NetPair, batch: Batch, q_online: Tensor, taus: Tensor) -> Tensor: ...

    def measure(self, q_online: Tensor, action: Tensor) -> dict[str, Tensor]: ...


class Update(NamedTuple):
    """What an update leaves behind, on the device."""

    metrics: dict[str, Tensor]  # scalars
    priority: Tensor  # (B,) sum over predicted, mean over target quantiles of |td|


class _Errors(NamedTuple):
    """Per sample, without gradient."""

    loss: Tensor  # (B,) before importance weights
    td_abs: Tensor  # (B,) as Update.priority
    target: Tensor  # (B,) mean target quantile
    q: Tensor  # (B, A) mean over quantiles


class Learner:
    """Trains `policy.net` and the target copy it makes of it.

    Raises UserError for an odd number of mirrored (`symmetric_taus`) fractions. `optimizer` builds a torch
    optimizer from parameters. A batch is worked off in parts of `micro_batch` samples, with the same gradient
    as the whole up to rounding.
    """

    def __init__(
        self,
        policy: IqnPolicy,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        learning_rate: Schedule,
        target: Target,
        clock: Clock,
        generator: torch.Generator,
        target_sync: Callable[[IQN, IQN, int], None] = HardSync(),  # noqa: B008 (frozen)
        noise: Callable[[IQN, IQN, torch.Generator], None] = RedrawBoth(),  # noqa: B008 (frozen)
        taus: int = 8,
        symmetric_taus: bool = False,
        kappa: float = 1.0,
        clip_norm: float = 10.0,
        weight_decay_ratio: float = 0.0,
        loss_reduction: Literal["mean", "sum"] = "mean",
        micro_batch: int = 4096,
    ) -> None:
        self.policy, self.online, self.target_net = policy, policy.net, target_copy(policy.net)
        self.step = GuardedStep(self.online, optimizer, clip_norm, weight_decay_ratio)
        self.learning_rate, self.target = learning_rate, target
        self.target_sync, self.noise = target_sync, noise
        self.taus, self.symmetric_taus = taus, symmetric_taus
        self.kappa, self.loss_reduction, self.micro_batch = kappa, loss_reduction, micro_batch
        self.clock, self.generator = clock, generator
        self.updates = 0
        if symmetric_taus and taus % 2:
            raise UserError(f"expected an even number of mirrored fractions, got taus={taus}; add one")

    @property
    def nets(self) -> NetPair:
        return NetPair(self.online, self.target_net)

    def update(self, batch: Batch) -> Update:
        """One gradient step on `batch`; if it is not finite it is not applied, and the metrics show it."""
        self.noise(self.online, self.target_net, self.generator)
        self.online.power_iteration()
        self.step.clear()
        errors = self._accumulate_gradients(batch)
        rate = self.learning_rate(self.clock.frames)
        grad_norm = self.step(rate)
        self.updates += 1
        self.target_sync(self.online, self.target_net, self.updates)
        metrics = self._metrics(batch, errors, grad_norm, rate)
        return Update(metrics, torch.nan_to_num(errors.td_abs, nan=0.0, posinf=0.0))

    def _accumulate_gradients(self, batch: Batch) -> _Errors:
        size = batch.action.shape[0]
        taus = draw_taus(size, self.taus, self.generator, self.symmetric_taus)
        target_taus = draw_taus(size, self.taus, self.generator, self.symmetric_taus)
        scale = 1.0 / size if self.loss_reduction == "mean" else 1.0
        parts = []
        for first in range(0, size, self.micro_batch):
            rows = slice(first, first + self.micro_batch)
            part = tree_map(lambda leaf, rows=rows: leaf[rows], batch)
            loss, errors = self._errors(part, taus[rows], target_taus[rows])
            ((part.weight * loss).sum() * scale).backward()
            parts.append(errors)
        return _Errors(*(torch.cat(leaves) for leaves in zip(*parts, strict=True)))

    def _errors(self, batch: Batch, taus: Tensor, target_taus: Tensor) -> tuple[Tensor, _Errors]:
        quantiles = self.online(batch.obs, taus)  # (B, N, A)
        detached = quantiles.detach()
        target = self.target(self.nets, batch, detached, target_taus)  # (B, M)
        td = pairwise_td(of_action(quantiles, batch.action), target)
        loss = quantile_huber(td, taus, self.kappa)
        td_abs = td.detach().abs().sum(1).mean(1)
        return loss, _Errors(loss.detach(), td_abs, target.mean(1), detached.mean(1))

    def _metrics(self, batch: Batch, errors: _Errors, grad_norm: Tensor, rate: float) -> dict[str, Tensor]:
        best_two = errors.q.topk(2, dim=1).values
        weighted = batch.weight * errors.loss
        return {
            "loss": weighted.mean() if self.loss_reduction == "mean" else weighted.sum(),
            "grad_norm": grad_norm,
            "q_mean": errors.q.gather(1, batch.action[:, None]).mean(),
            "q_max": best_two[:, 0].mean(),
            "action_gap": (best_two[:, 0] - best_two[:, 1]).mean(),
            "target_mean": errors.target.mean(),
            "td_abs": errors.td_abs.mean() / self.taus,
            "learning_rate": torch.full((), rate, device=grad_norm.device),
            **self.target.measure(errors.q, batch.action),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything the next update depends on, loadable with `weights_only=True`."""
        return {
            "online": self.online.state_dict(),
            "target": self.target_net.state_dict(),
            "optimizer": self.step.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "policy": self.policy.state_dict(),
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.online.load_state_dict(state["online"])
        self.target_net.load_state_dict(state["target"])
        self.step.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        self.policy.load_state_dict(state["policy"])
        self.updates = int(state["updates"])
