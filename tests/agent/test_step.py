"""One step on flat parameters against torch's parameter by parameter one."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import nn

from btr_tm.agent.step import GuardedStep


def small_net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(18, 3))


def backward(net: nn.Module, scale: float, seed: int) -> None:
    x = torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(seed))
    (net(x).square().sum() * scale).backward()


@pytest.mark.parametrize(
    "optimizer",
    [
        partial(torch.optim.Adam, eps=1.95e-5),
        partial(torch.optim.RAdam, eps=1e-4),
        partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    ],
)
def test_steps_equal_torchs_clip_optimizer_and_decay(optimizer) -> None:
    net, twin = small_net(), small_net()
    step = GuardedStep(net, optimizer, clip_norm=1.0, weight_decay_ratio=0.5)
    reference = optimizer(list(twin.parameters()))
    for update in range(8):
        rate = 0.01 / (1 + update)
        step.clear()
        backward(net, 0.1 * update, update)
        norm = step(rate)
        reference.zero_grad()
        backward(twin, 0.1 * update, update)
        reference.param_groups[0]["lr"] = rate
        expected = nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
        reference.step()
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.mul_(1 - 0.5 * rate)
        torch.testing.assert_close(norm, expected)
    for mine, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_clipping_gives_the_worked_numbers() -> None:
    net = nn.Linear(3, 1, bias=False)
    step = GuardedStep(net, partial(torch.optim.SGD, lr=1.0), clip_norm=10.0)
    before = net.weight.detach().clone()
    step.gradient.copy_(torch.tensor([6.0, 8.0, 24.0]))
    assert step(1.0).item() == pytest.approx(26.0)
    moved = (before - net.weight).detach()[0]
    torch.testing.assert_close(moved, torch.tensor([2.30769, 3.07692, 9.23077]), atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.RAdam])
def test_a_step_that_is_not_finite_changes_no_parameter_and_poisons_no_moment(poison, optimizer) -> None:
    net = small_net()
    step = GuardedStep(net, optimizer, weight_decay_ratio=0.1)
    for update in range(3):
        step.clear()
        backward(net, 1.0, update)
        step(0.01)
    before = copy.deepcopy(net.state_dict())
    step.gradient[7] = poison
    assert not torch.isfinite(step(0.01))
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    step.clear()
    backward(net, 1.0, 9)
    assert torch.isfinite(step(0.01))
    assert all(value.isfinite().all() for value in net.state_dict().values())
    assert any(not torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_frozen_parameters_stay_outside() -> None:
    net = small_net()
    net[0].requires_grad_(False)
    step = GuardedStep(net, torch.optim.Adam)
    assert step.parameters.numel() == 18 * 3 + 3
    frozen = net[0].weight.clone()
    backward(net, 1.0, 0)
    step(0.1)
    assert torch.equal(net[0].weight, frozen)
