"""Puts a learner together from what its configuration says and what only a run knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn

from btr_tm.agent.batch_loss import BatchLoss
from btr_tm.agent.driver_weights import DriverWeights
from btr_tm.agent.execution import Eager, Execution
from btr_tm.agent.learner import IqnLearner
from btr_tm.agent.moments import KeepMoments, Moments
from btr_tm.agent.noise import RedrawNoise
from btr_tm.agent.observer import Observer
from btr_tm.agent.parallel import ProcessGroup
from btr_tm.agent.policy import Exploration, IqnPolicy
from btr_tm.agent.priority import PriorityError
from btr_tm.agent.reset import Reset
from btr_tm.agent.step import GuardedStep
from btr_tm.agent.target_sync import TargetSync, target_copy
from btr_tm.core.clock import Clock
from btr_tm.core.protocols import TargetFn
from btr_tm.core.schedule import Schedule
from btr_tm.losses.self_loss import SelfLoss
from btr_tm.nets.iqn import IQN


@dataclass(frozen=True)
class LearnerBuilder:
    """What a configuration says of a learner; a run adds what `loss`, `step` and `self_loss` still lack."""

    learning_rate: Schedule
    loss: Callable[..., BatchLoss]
    step: Callable[..., GuardedStep]
    self_loss: Callable[[torch.device], SelfLoss]
    target_sync: TargetSync
    noise: RedrawNoise
    reset: Reset
    driver_weights: Callable[[IQN], DriverWeights[IQN]]
    priority_error: PriorityError
    moments: Moments = KeepMoments()

    on_policy = False
    probed = True

    @staticmethod
    def policy(
        net: IQN,
        exploration: Exploration,
        clock: Clock,
        generator: torch.Generator,
        act_taus: int,
        symmetric_taus: bool,
        execution: Execution,
    ) -> IqnPolicy:
        """Drives with `net`."""
        return IqnPolicy(net, exploration, clock, generator, act_taus, symmetric_taus, execution)

    def build(
        self,
        policy: IqnPolicy,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        target: TargetFn,
        generator: torch.Generator,
        group: Callable[[IQN], ProcessGroup],
        execution: Execution,
        observer: Observer,
    ) -> IqnLearner:
        """Trains `policy.net`, whose parameters it lays out anew, and a target copy of it.

        `generator` draws the noise of both networks and the fractions of the loss, on the networks' device.
        An optimizer that takes no rate in a tensor learns eagerly whatever `execution` is: a graph would keep
        the rate of the moment when it was captured.
        """
        target_net = target_copy(policy.net)
        step = self.step(policy.net, optimizer)
        policy.forget()
        loss = self.loss(
            online=policy.net,
            target_net=target_net,
            target=target,
            self_loss=self.self_loss(generator.device),
            generator=generator,
            group=group(policy.net),  # it holds on to the parameters: after `step` has laid them out
        )
        return IqnLearner(
            policy,
            loss,
            step,
            self.learning_rate,
            self.target_sync,
            self.moments,
            self.noise,
            self.reset,
            self.driver_weights(policy.net),
            self.priority_error,
            execution if step.takes_tensor_rate else Eager(),
            observer,
        )
