"""What the learner did before it got options that are off by default, in numbers recorded then."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from btr_tm.agent.noise import RedrawBoth, ShareWithActing
from btr_tm.losses.value_loss import QuantileHuber
from btr_tm.targets.greedy import DoubleDqn

from ..nets.helpers import ALL_OFF, ALL_ON, network, random_batch
from ..targets.helpers import munchausen
from .helpers import hard, learner, soft

RECORDED = {
    "base": (
        ALL_OFF,
        {
            "target": DoubleDqn(), "target_sync": soft(), "symmetric_taus": True, "reduction": "sum",
            "value_loss": QuantileHuber(0.005), "optimizer": partial(torch.optim.RAdam, eps=1e-4),
            "weight_decay_ratio": 0.1, "clip_norm": 30.0,
        },
        [14.421823501586914, 12.505712509155273, 19.345726013183594, 14.663488388061523, 14.825610160827637,
         14.548039436340332],
        [21.10188865661621, 20.518024444580078, 25.728132247924805, 19.498937606811523, 34.56394577026367,
         31.426918029785156],
        (3134.142597398271, 3135.8935542433987),
    ),
    "all six": (
        ALL_ON,
        {
            "target": munchausen(), "target_sync": hard(2, "own"), "noise": ShareWithActing(),
            "micro_batch": 4, "clip_norm": 0.5,
        },
        [1.1336994171142578, 0.5309889316558838, 1.4196468591690063, 1.147719144821167, 0.4148988425731659,
         0.5173021554946899],
        [4.945779800415039, 3.7289717197418213, 5.154910087585449, 2.354722261428833, 3.4438095092773438,
         3.6654860973358154],
        (1302.409250468445, 1302.409250468445),
    ),
    "redrawn": (
        ALL_ON,
        {"target": munchausen(log_pi_from="target"), "target_sync": soft(0.1), "noise": RedrawBoth()},
        [1.0640597343444824, 0.6900345087051392, 1.3695038557052612, 1.3900569677352905, 0.8458182215690613,
         3.089240312576294],
        [5.9046759605407715, 4.18267297744751, 3.0538787841796875, 4.231863975524902, 3.6463634967803955,
         11.092944145202637],
        (1302.7804186679423, 1302.0081438509224),
    ),
}  # fmt: skip


@pytest.mark.parametrize("variant", RECORDED)
def test_updates_are_those_of_before_the_options(variant: str) -> None:
    """Up to the rounding of another processor; on the one that recorded them they were equal bit for bit."""
    parts, options, losses, norms, sizes = RECORDED[variant]
    one = learner(network(**parts), **options)
    for seed, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
        batch = random_batch(9, seed)
        one.policy.act(batch.obs, explore=True)
        metrics = one.update(batch).metrics
        assert metrics["loss"].item() == pytest.approx(loss, rel=1e-3)
        assert metrics["grad_norm"].item() == pytest.approx(norm, rel=1e-2)
    if one.target_sync.when == "before_loss":  # the copy that the next update would have begun with
        one.target_sync(one.online, one.target_net, one.updates)
    for net, size in zip((one.online, one.target_net), sizes, strict=True):
        total = sum(parameter.double().abs().sum().item() for parameter in net.parameters())
        assert total == pytest.approx(size, rel=1e-5)
