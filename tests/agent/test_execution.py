"""An update replayed as a CUDA graph against an eager one."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from btr_tm.agent.execution import CudaGraph, Eager
from btr_tm.core.tree import tree_map
from btr_tm.core.types import Batch
from btr_tm.nets.iqn import IQN

from ..nets.helpers import ALL_OFF, ALL_ON, network, random_batch
from .helpers import learner

FUSED = partial(torch.optim.Adam, eps=1.95e-5, fused=True)
BOTH = pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON], ids=["all off", "all on"])


class RateInATensor(Eager):
    """As a graph gets it."""

    def __call__(self, body, batch: Batch, rate: float) -> Any:
        return body(batch, torch.tensor(rate))


def eager(generator: torch.Generator) -> Eager:
    return Eager()


def rate_in_a_tensor(generator: torch.Generator) -> RateInATensor:
    return RateInATensor()


def trained(net: IQN, execution: Any, updates: int = 6) -> tuple[torch.Tensor, list[dict[str, torch.Tensor]]]:
    """Parameters after some updates on different batches, and all metrics, on the CPU."""
    device = next(net.parameters()).device
    generator = torch.Generator(device).manual_seed(2)
    each = learner(
        net, optimizer=FUSED, execution=execution(generator), weight_decay_ratio=0.1, generator=generator
    )
    metrics = []
    for number in range(updates):
        batch = tree_map(lambda leaf: leaf.to(device), random_batch(8, seed=number))
        metrics.append({name: value.cpu() for name, value in each.update(batch).metrics.items()})
    return torch.cat([p.detach().cpu().flatten() for p in net.parameters()]), metrics


@BOTH
def test_a_learning_rate_in_a_tensor_gives_the_same_numbers(parts) -> None:
    one, other = (trained(network(**parts), execution) for execution in (eager, rate_in_a_tensor))
    torch.testing.assert_close(one, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@BOTH
def test_a_cuda_graph_gives_the_numbers_of_eager_updates(parts) -> None:
    one, other = (trained(network(**parts).cuda(), execution) for execution in (eager, CudaGraph))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)  # three updates were replayed


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("execution", [eager, CudaGraph])
def test_an_update_never_waits_for_the_gpu(execution) -> None:
    generator = torch.Generator("cuda")
    each = learner(
        network(**ALL_ON).cuda(), optimizer=FUSED, execution=execution(generator), generator=generator
    )
    batch = tree_map(lambda leaf: leaf.cuda(), random_batch(8))
    for _ in range(5):  # the first ones load kernels and capture
        each.update(batch)
    torch.cuda.set_sync_debug_mode("error")
    each.update(batch)
    torch.cuda.set_sync_debug_mode("default")
