"""A learner around a small network."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from btr_tm.agent.learner import Learner
from btr_tm.agent.policy import IqnPolicy
from btr_tm.core.clock import Clock
from btr_tm.core.schedule import Constant
from btr_tm.exploration.noise import NoisyGreedy
from btr_tm.nets.iqn import IQN
from btr_tm.targets.munchausen import Munchausen

ADAM = partial(torch.optim.Adam, eps=1e-5)


def learner(net: IQN, seed: int = 0, **options: Any) -> Learner:
    """`options` are arguments of Learner."""
    clock = Clock()
    policy = IqnPolicy(net, NoisyGreedy(), clock, torch.Generator().manual_seed(seed + 1), act_taus=4)
    arguments: dict[str, Any] = {
        "optimizer": ADAM,
        "learning_rate": Constant(1e-3),
        "target": Munchausen(),
        "taus": 4,
        "generator": torch.Generator().manual_seed(seed + 2),
        "clock": clock,
    }
    return Learner(policy, **(arguments | options))
