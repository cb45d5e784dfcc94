"""A learner around a small network, and its parts, with numbers that a configuration would give."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch

from btr_tm.agent.batch_loss import BatchLoss
from btr_tm.agent.build import LearnerBuilder
from btr_tm.agent.driver_weights import OnlineWeights
from btr_tm.agent.execution import Eager
from btr_tm.agent.learner import IqnLearner
from btr_tm.agent.loss_scaling import NoScaling
from btr_tm.agent.moments import KeepMoments
from btr_tm.agent.noise import RedrawBoth
from btr_tm.agent.observer import NoObserver
from btr_tm.agent.parallel import SingleProcess
from btr_tm.agent.policy import IqnPolicy
from btr_tm.agent.priority import SummedError
from btr_tm.agent.reset import NoReset
from btr_tm.agent.step import GuardedStep
from btr_tm.agent.target_sync import HardSync, SoftSync
from btr_tm.core.clock import Clock
from btr_tm.core.schedule import Constant
from btr_tm.exploration.noise import NoisyGreedy
from btr_tm.losses.self_loss import NormalisedSelfLoss, NoSelfLoss
from btr_tm.losses.value_loss import QuantileHuber
from btr_tm.nets.iqn import IQN

from ..targets.helpers import munchausen

ADAM = partial(torch.optim.Adam, eps=1e-5)
LINESIGHT_SELF_LOSS = partial(NormalisedSelfLoss, clamp_ratio=4.0, decay=0.99, initial=0.01, kappa=0.005)


def unscaled(device: torch.device) -> NoScaling:
    return NoScaling()


LOSS = {
    "taus": 4,
    "symmetric_taus": False,
    "value_loss": QuantileHuber(1.0),
    "reduction": "mean",
    "micro_batch": 4096,
}
STEP = {"scaling": unscaled, "clip_norm": 10.0, "clip_value": math.inf, "weight_decay_ratio": 0.0}


def hard(every_updates: int = 500, buffers: Any = "follow") -> HardSync:
    return HardSync(every_updates, buffers)


def soft(tau: float = 0.02, every_updates: int = 1, buffers: Any = "follow") -> SoftSync:
    return SoftSync(tau, every_updates, buffers)


def step_of(net: torch.nn.Module, optimizer: Any, **options: Any) -> GuardedStep:
    """`options` are arguments of GuardedStep."""
    return GuardedStep(net, optimizer, **(STEP | options))


def learner(net: IQN, seed: int = 0, clock: Clock | None = None, **options: Any) -> IqnLearner:
    drawing = torch.Generator().manual_seed(seed + 1)
    policy = IqnPolicy(net, NoisyGreedy(), clock or Clock(), drawing, 4, False, Eager())
    return learner_of(policy, seed, **options)


def learner_of(policy: IqnPolicy, seed: int = 0, **options: Any) -> IqnLearner:
    """`options` are arguments of BatchLoss, GuardedStep, LearnerBuilder or its build."""
    chosen: dict[str, Any] = {
        "learning_rate": Constant(1e-3),
        "self_loss": NoSelfLoss,
        "target_sync": hard(),
        "moments": KeepMoments(),
        "noise": RedrawBoth(),
        "reset": NoReset(),
        "driver_weights": OnlineWeights,
        "priority_error": SummedError(),
    }
    built: dict[str, Any] = {
        "optimizer": ADAM,
        "target": munchausen(),
        "generator": torch.Generator().manual_seed(seed + 2),
        "group": SingleProcess,
        "execution": Eager(),
        "observer": NoObserver(),
    }
    unknown = set(options) - set(LOSS | STEP | chosen | built)
    assert not unknown, unknown
    loss, step, chosen, built = (
        {name: options.get(name, value) for name, value in known.items()}
        for known in (LOSS, STEP, chosen, built)
    )
    parts = {"loss": partial(BatchLoss, **loss), "step": partial(GuardedStep, **step)}
    return LearnerBuilder(**parts, **chosen).build(policy, **built)
