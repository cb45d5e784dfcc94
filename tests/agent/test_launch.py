"""An update replayed as a graph against one launched kernel by kernel."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from btr_tm.agent.launch import OneByOne, Recorded
from btr_tm.core.tree import tree_map
from btr_tm.core.types import Batch
from btr_tm.nets.iqn import IQN
from btr_tm.targets.munchausen import Munchausen

from ..nets.helpers import ALL_OFF, ALL_ON, network, random_batch
from .helpers import learner

FUSED = partial(torch.optim.Adam, eps=1.95e-5, fused=True)
BOTH = pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON], ids=["all off", "all on"])


class RateInATensor(OneByOne):
    """As a graph gets it."""

    def __call__(self, body, batch: Batch, rate: float) -> Any:
        return body(batch, torch.tensor(rate))


def trained(net: IQN, launch: Any, updates: int = 6) -> tuple[torch.Tensor, list[dict[str, torch.Tensor]]]:
    """Parameters after some updates on different batches, and all metrics, on the CPU."""
    device = next(net.parameters()).device
    each = learner(
        net, target=Munchausen(), optimizer=FUSED, launch=launch, weight_decay_ratio=0.1,
        generator=torch.Generator(device).manual_seed(2),
    )  # fmt: skip
    metrics = []
    for number in range(updates):
        batch = tree_map(lambda leaf: leaf.to(device), random_batch(8, seed=number))
        metrics.append({name: value.cpu() for name, value in each.update(batch).metrics.items()})
    return torch.cat([p.detach().cpu().flatten() for p in net.parameters()]), metrics


@BOTH
def test_a_learning_rate_in_a_tensor_gives_the_same_numbers(parts) -> None:
    one, other = (
        trained(network(**parts), launch) for launch in (lambda g: OneByOne(), lambda g: RateInATensor())
    )
    torch.testing.assert_close(one, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@BOTH
def test_a_recorded_update_gives_the_numbers_of_one_that_is_launched_kernel_by_kernel(parts) -> None:
    one, other = (trained(network(**parts).cuda(), launch) for launch in (lambda g: OneByOne(), Recorded))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)  # three updates were replayed


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("launch", [lambda g: OneByOne(), Recorded], ids=["one by one", "recorded"])
def test_an_update_never_waits_for_the_gpu(launch) -> None:
    net = network(**ALL_ON).cuda()
    each = learner(
        net, target=Munchausen(), optimizer=FUSED, launch=launch, generator=torch.Generator("cuda")
    )
    batch = tree_map(lambda leaf: leaf.cuda(), random_batch(8))
    for _ in range(5):  # the first ones load kernels and record
        each.update(batch)
    torch.cuda.set_sync_debug_mode("error")
    each.update(batch)
    torch.cuda.set_sync_debug_mode("default")
