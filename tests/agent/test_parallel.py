"""A group of torch's processes, seen from one of them; tests/cli/test_parallel.py has two learn together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist

from btr_tm.agent.parallel import _SENDS_BUFFERS, DistributedGroup, SingleProcess

from ..nets.helpers import network, observations


@pytest.fixture
def alone() -> Iterator[None]:
    """The default group has one process, this one."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_the_forward_pass_is_that_of_the_network(alone) -> None:
    net = network()
    group, taus = DistributedGroup(net), torch.full((3, 2), 0.5)
    assert (group.rank, group.processes) == (0, 1)
    assert getattr(group.forward, _SENDS_BUFFERS) is False
    assert torch.equal(group.forward(observations(3), taus), net(observations(3), taus))


def test_gradients_are_exchanged_after_the_last_micro_batch_only(alone) -> None:
    group = DistributedGroup(network())
    exchanged = []
    for last in (False, True):
        with group.micro_batch(last):
            exchanged.append(group.forward.require_backward_grad_sync)
    assert exchanged == [False, True]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_rows_of_others_are_left_for_them_to_fill_in(alone, shape) -> None:
    group = DistributedGroup(network())
    group.rank, group.processes = 1, 3
    own = torch.rand(4, *shape)
    held = group.gather(own, 11)  # 3, 4 and 4 rows
    assert group.rows(11) == slice(3, 7) and held.shape == (11, *shape)
    assert torch.equal(held[3:7], own)
    assert not held[:3].any() and not held[7:].any()


def test_a_single_process_has_all_rows() -> None:
    own = torch.rand(5)
    group = SingleProcess(network())
    assert group.rows(5) == slice(0, 5) and group.gather(own, 5) is own
