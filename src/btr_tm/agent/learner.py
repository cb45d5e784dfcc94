"""One update: prediction, target, quantile Huber loss, step; nothing here waits for the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from btr_tm.agent.batch_loss import BatchLoss, Errors
from btr_tm.agent.launch import Launch, OneByOne
from btr_tm.agent.loss_scaling import NoScaling, Scaling
from btr_tm.agent.noise import RedrawBoth
from btr_tm.agent.parallel import Alone, Team
from btr_tm.agent.policy import IqnPolicy
from btr_tm.agent.priority import summed_error
from btr_tm.agent.reset import NoReset, Reset
from btr_tm.agent.step import GuardedStep
from btr_tm.agent.target_sync import HardSync, Moment, TargetSync, target_copy
from btr_tm.core.block import by_slot, of_action
from btr_tm.core.clock import Clock
from btr_tm.core.protocols import NetPair, TargetFn, Update
from btr_tm.core.schedule import Schedule
from btr_tm.core.types import Batch
from btr_tm.losses.quantile import refuse_odd
from btr_tm.losses.self_loss import NoSelfLoss, SelfLoss
from btr_tm.nets.iqn import IQN


class Learner:
    """Trains `policy.net` and the target copy it makes of it.

    Raises UserError for an odd number of mirrored (`symmetric_taus`) fractions. `optimizer` builds a torch
    optimizer from parameters; `self_loss` and `scaling` are built for the device. A batch is worked off in
    parts of `micro_batch` samples, with the same gradient as the whole up to rounding; `team` says which of
    them are this process's. `launch` says how the kernels get to the device.
    """

    def __init__(
        self,
        policy: IqnPolicy,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        learning_rate: Schedule,
        target: TargetFn,
        clock: Clock,
        generator: torch.Generator,
        target_sync: TargetSync = HardSync(),  # noqa: B008 (frozen)
        noise: Callable[[IQN, IQN, torch.Generator, int], None] = RedrawBoth(),  # noqa: B008 (frozen)
        reset: Reset = NoReset(),  # noqa: B008 (no state)
        self_loss: Callable[[torch.device], SelfLoss] = NoSelfLoss,
        scaling: Callable[[torch.device], Scaling] = lambda device: NoScaling(),
        priority_error: Callable[[Errors, Tensor], Tensor] = summed_error,
        taus: int = 8,
        symmetric_taus: bool = False,
        kappa: float = 1.0,
        clip_norm: float = 10.0,
        clip_value: float = math.inf,
        weight_decay_ratio: float = 0.0,
        loss_reduction: Literal["mean", "sum"] = "mean",
        micro_batch: int = 4096,
        team: Callable[[IQN], Team] = Alone,
        launch: Callable[[torch.Generator], Launch] = lambda generator: OneByOne(),
    ) -> None:
        refuse_odd("taus", taus, symmetric_taus)
        self.policy, self.online, self.target_net = policy, policy.net, target_copy(policy.net)
        self.self_loss, self.scaling = self_loss(generator.device), scaling(generator.device)
        self.step = GuardedStep(
            self.online, optimizer, clip_norm, weight_decay_ratio, clip_value, self.scaling
        )
        self.batch_loss = BatchLoss(
            self.online, self.target_net, target, generator, self.self_loss, taus, symmetric_taus, kappa,
            loss_reduction, micro_batch, team(self.online),
        )  # fmt: skip
        self.learning_rate, self.target, self.priority = learning_rate, target, priority_error
        self.target_sync, self.noise, self.reset = target_sync, noise, reset
        self.taus, self.clock, self.generator, self.launch = taus, clock, generator, launch(generator)
        self.updates = 0
        self.extra_uses = 0  # of transitions, granted by resets beyond what driving pays for

    @property
    def nets(self) -> NetPair:
        return NetPair(self.online, self.target_net)

    def update(self, batch: Batch) -> Update:
        """One gradient step on `batch`; if it is not finite it is not applied, and the metrics show it."""
        self.noise(self.online, self.target_net, self.generator, len(batch.weight))
        self._sync("before")
        rate = self.learning_rate(self.clock.frames)
        metrics, priority = self.launch(self._learn, batch, rate)
        self.updates += 1
        self._sync("after")
        self.extra_uses += self.reset(self.online, self.clock.frames)
        shown = torch.full((), rate, device=priority.device)
        return Update({**metrics, "learning_rate": shown}, priority)

    def _learn(self, batch: Batch, rate: float | Tensor) -> Update:
        """What the device does alone, the same kernels every time."""
        self.online.power_iteration()
        self.step.clear()
        errors = self.batch_loss.backward(batch, self.scaling.scaled)
        grad_norm = self.scaling.shown(self.step(rate))
        priority = self.priority(errors, batch.action)
        metrics = self._metrics(batch, errors, grad_norm)
        return Update(metrics, torch.nan_to_num(priority, nan=0.0, posinf=0.0))

    def _sync(self, moment: Moment) -> None:
        if self.target_sync.moment == moment:
            self.target_sync(self.online, self.target_net, self.updates)

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Metrics of a batch that is not learnt from; no later update is any different for it.

        Neither network redraws its noise (as in the published TrackMania runs), and the running means of the
        self-loss stay as they are (there, test batches move them too).
        """
        state = self.generator.get_state()
        errors = self.batch_loss.measure(batch)
        self.generator.set_state(state)
        return {"loss": self.batch_loss.reduce(batch, errors)}

    def _metrics(self, batch: Batch, errors: Errors, grad_norm: Tensor) -> dict[str, Tensor]:
        best_two = by_slot(errors.q).topk(2, dim=2).values  # (B, K, 2)
        return {
            "loss": self.batch_loss.reduce(batch, errors),
            "grad_norm": grad_norm,
            "grad_clipped": (grad_norm > self.step.clip_norm).float(),
            "q_mean": of_action(errors.q, batch.action).mean(),
            "q_max": best_two[..., 0].sum(1).mean(),
            "action_gap": (best_two[..., 0] - best_two[..., 1]).mean(),
            "target_mean": errors.target.mean(),
            "td_abs": errors.td_abs.mean() / self.taus,
            **self.target.measure(errors.q, batch.action),
        }

    def close(self) -> None:
        """Nothing to release."""

    def state_dict(self) -> dict[str, Any]:
        """Everything the next update depends on, loadable with `weights_only=True`."""
        return {
            "online": self.online.state_dict(),
            "target": self.target_net.state_dict(),
            "optimizer": self.step.optimizer.state_dict(),
            "scaling": self.scaling.state_dict(),
            "self_loss": self.self_loss.state_dict(),
            "reset": self.reset.state_dict(),
            "generator": self.generator.get_state(),
            "policy": self.policy.state_dict(),
            "updates": self.updates,
            "extra_uses": self.extra_uses,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.launch.forget()
        self.online.load_state_dict(state["online"])
        self.target_net.load_state_dict(state["target"])
        self.step.optimizer.load_state_dict(state["optimizer"])
        self.scaling.load_state_dict(state["scaling"])
        self.self_loss.load_state_dict(state["self_loss"])
        self.reset.load_state_dict(state["reset"])
        self.generator.set_state(state["generator"].cpu())
        self.policy.load_state_dict(state["policy"])
        self.updates, self.extra_uses = int(state["updates"]), int(state["extra_uses"])
