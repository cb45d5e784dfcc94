"""One update: noise, target network, loss, step; nothing here waits for the device."""

from __future__ import annotations

import torch
from torch import Tensor

from btr_tm.agent.batch_loss import BatchLoss, Errors
from btr_tm.agent.driver_weights import DriverWeights
from btr_tm.agent.execution import Execution
from btr_tm.agent.moments import Moments
from btr_tm.agent.noise import RedrawNoise
from btr_tm.agent.observer import Observer
from btr_tm.agent.policy import IqnPolicy
from btr_tm.agent.priority import PriorityError
from btr_tm.agent.reset import Reset
from btr_tm.agent.step import GuardedStep
from btr_tm.agent.target_sync import TargetSync, When
from btr_tm.core.block import by_slot, of_action
from btr_tm.core.protocols import Stateful, Update
from btr_tm.core.schedule import Schedule
from btr_tm.core.types import Batch, StateDict
from btr_tm.nets.iqn import IQN


class IqnLearner:
    """Trains the network of `policy`, which `loss` and `step` share with it; agent.build puts them together.

    `driver_weights` follow it: `driver` is the policy with those, which is evaluated and saved.

    `learning_rate` follows the frames of the policy's clock. `execution` says how kernels are launched;
    `observer` sees the network before and after each update.
    """

    def __init__(
        self,
        policy: IqnPolicy,
        loss: BatchLoss,
        step: GuardedStep,
        learning_rate: Schedule,
        target_sync: TargetSync,
        moments: Moments,
        noise: RedrawNoise,
        reset: Reset,
        driver_weights: DriverWeights[IQN],
        priority_error: PriorityError,
        execution: Execution,
        observer: Observer,
    ) -> None:
        self.policy, self.clock, self.loss, self.step = policy, policy.clock, loss, step
        self.online, self.target_net, self.generator = loss.online, loss.target_net, loss.generator
        self.learning_rate, self.noise, self.reset = learning_rate, noise, reset
        self.target_sync, self.moments = target_sync, moments
        self.priority_error, self.execution, self.observer = priority_error, execution, observer
        self.driver_weights, self.driver = driver_weights, policy.with_net(driver_weights.net)
        self._gradient = execution.part(self._find_gradient)
        self._figures = execution.part(self._find_figures)
        self._names: tuple[str, ...] = ()  # of the figures
        self.updates = 0
        self.extra_uses = 0  # of transitions, granted by resets beyond what driving pays for

    @property
    def networks(self) -> set[IQN]:
        """All that are run."""
        return {self.online, self.target_net, self.driver.net}

    def update(self, batch: Batch) -> Update:
        """One gradient step on `batch`; if it is not finite it is not applied, and the metrics show it."""
        self.observer.before(self.online)
        self.noise(self.online, self.target_net, self.generator, len(batch.weight))
        self._sync("before_loss")
        rate = self.learning_rate(self.clock.frames)
        metrics, priority = self.execution(self._learn, batch, rate)
        self.updates += 1
        self._sync("after_step")
        self.extra_uses += self.reset(self.online, self.clock.frames)
        self.driver_weights(self.online)
        self.observer.after(self.online, self.step)
        return Update(metrics | {"learning_rate": torch.full((), rate, device=priority.device)}, priority)

    def _learn(self, batch: Batch, rate: float | Tensor) -> Update:
        """What the device does without the host: loss, gradient, step."""
        errors = self._gradient(batch)
        figures, priority = self._figures(batch, errors, self.step(rate))
        return Update(dict(zip(self._names, figures, strict=True)), priority)

    def _find_gradient(self, batch: Batch) -> Errors:
        self.online.power_iteration()
        self.step.clear()
        return self.loss.backward(batch, self.step.scaling.scaled)

    def _find_figures(
        self, batch: Batch, errors: Errors, grad_norm: Tensor
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Metrics, named by `_names`, and priorities (B,)."""
        metrics = self._metrics(batch, errors, grad_norm)
        self._names = tuple(metrics)
        # A priority that is not finite would spoil the sums of prioritised replay.
        priority = torch.nan_to_num(self.priority_error(errors, batch.action), posinf=0.0)
        return tuple(metrics.values()), priority

    def _sync(self, when: When) -> None:
        if self.target_sync.when == when:
            self.target_sync(self.online, self.target_net, self.updates)
            if self.updates % self.target_sync.every_updates == 0:
                self.moments(self.step.optimizer)

    def _metrics(self, batch: Batch, errors: Errors, grad_norm: Tensor) -> dict[str, Tensor]:
        best_two = by_slot(errors.q).topk(2, dim=2).values  # (B, K, 2)
        return {
            "loss": self.loss.reduce(batch, errors),
            "grad_norm": grad_norm,
            "grad_clipped": (grad_norm > self.step.clip_norm).float(),
            "q_mean": of_action(errors.q, batch.action).mean(),
            "q_max": best_two[..., 0].sum(1).mean(),
            "action_gap": (best_two[..., 0] - best_two[..., 1]).mean(),
            "target_mean": errors.target.mean(),
            "td_abs": errors.td_abs.mean() / self.online.reading.rows(self.loss.taus),
            **self.loss.value_loss.measure(errors.target),
            **self.loss.measure_actions(errors.q, batch.action),
        }

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Metrics of a batch that is not learnt from; no later update is any different for it.

        Neither network redraws its noise (as in the published TrackMania runs), and the running means of the
        self-loss stay as they are (there, test batches move them too).
        """
        state = self.generator.get_state()
        errors = self.loss.measure(batch)
        self.generator.set_state(state)
        return {"loss": self.loss.reduce(batch, errors)}

    def take(self) -> dict[str, Tensor | float]:
        """For a row of the log: what schedules give now, and what the observer has measured since."""
        frames = self.clock.frames
        settings = {"weight_decay": self.step.weight_decay_ratio * self.learning_rate(frames)}
        settings |= self.policy.exploration.measure(frames)
        syncs = {"optimizer/target_syncs": self.updates // self.target_sync.every_updates}
        return {f"settings/{name}": value for name, value in settings.items()} | syncs | self.observer.take()

    def close(self) -> None:
        """Nothing to release."""

    def state_dict(self) -> StateDict:
        """Everything the next update depends on, loadable with `weights_only=True`."""
        nets = {"online": self.online.state_dict(), "target": self.target_net.state_dict()}
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {**nets, **parts, "updates": self.updates, "extra_uses": self.extra_uses}

    def load_state_dict(self, state: StateDict) -> None:
        self.execution.forget()
        self.online.load_state_dict(state["online"])
        self.target_net.load_state_dict(state["target"])
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.updates, self.extra_uses = int(state["updates"]), int(state["extra_uses"])

    def _parts(self) -> dict[str, Stateful]:
        parts: dict[str, Stateful] = {"loss": self.loss, "step": self.step, "reset": self.reset}
        return parts | {"driver": self.driver_weights, "policy": self.policy, "observer": self.observer}
