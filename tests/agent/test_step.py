"""One step on flat parameters against torch's parameter by parameter one."""

from __future__ import annotations

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn

from .helpers import step_of

FUSED_OR_NOT = pytest.mark.parametrize("fused", [True, False], ids=["fused", "restored"])


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
        partial(torch.optim.Adam, eps=1.95e-5, fused=True),
        partial(torch.optim.RAdam, eps=1e-4),
        partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    ],
)
def test_steps_equal_torchs_clip_optimizer_and_decay(optimizer) -> None:
    net, twin = small_net(), small_net()
    step = step_of(net, optimizer, clip_norm=1.0, weight_decay_ratio=0.5)
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


@FUSED_OR_NOT
def test_clipping_gives_the_worked_numbers(fused) -> None:
    net = nn.Linear(3, 1, bias=False)
    step = step_of(net, partial(torch.optim.SGD, lr=1.0, fused=fused), clip_norm=10.0)
    before = net.weight.detach().clone()
    step.gradient.copy_(torch.tensor([6.0, 8.0, 24.0]))
    assert step(1.0).item() == pytest.approx(26.0)
    moved = (before - net.weight).detach()[0]
    torch.testing.assert_close(moved, torch.tensor([2.30769, 3.07692, 9.23077]), atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "optimizer", [torch.optim.Adam, torch.optim.RAdam, partial(torch.optim.Adam, fused=True)]
)
def test_a_step_that_is_not_finite_changes_no_parameter_and_poisons_no_moment(poison, optimizer) -> None:
    net = small_net()
    step = step_of(net, optimizer, weight_decay_ratio=0.1)
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


@FUSED_OR_NOT
def test_a_refused_step_adds_nothing_to_the_moments(fused) -> None:
    step = step_of(small_net(), partial(torch.optim.Adam, fused=fused))
    step.gradient.fill_(0.5)
    step(0.01)
    moment = step.optimizer.state[step.parameters]["exp_avg"]
    before = moment.clone()
    step.gradient.fill_(math.nan)
    step(0.01)
    torch.testing.assert_close(moment, before if fused else 0.9 * before)  # as if the gradient were 0


def test_a_rate_in_a_tensor_lets_the_optimizer_count_on_the_device() -> None:
    step = step_of(small_net(), partial(torch.optim.Adam, fused=True))
    step(0.01)
    assert not step.optimizer.param_groups[0]["capturable"]
    step(torch.tensor(0.01))
    assert step.optimizer.param_groups[0]["capturable"] is True


def test_frozen_parameters_stay_outside() -> None:
    net = small_net()
    net[0].requires_grad_(False)
    step = step_of(net, torch.optim.Adam)
    assert step.parameters.numel() == 18 * 3 + 3
    frozen = net[0].weight.clone()
    backward(net, 1.0, 0)
    step(0.1)
    assert torch.equal(net[0].weight, frozen)


@FUSED_OR_NOT
def test_the_bound_of_a_tiny_gradient_is_that_of_torch(fused) -> None:
    net = nn.Linear(2, 1, bias=False)
    step = step_of(net, partial(torch.optim.SGD, lr=1.0, fused=fused), clip_norm=1e-6)
    nn.init.zeros_(net.weight)
    step.gradient.copy_(torch.tensor([3e-6, -4e-6]))
    step(1.0)
    torch.testing.assert_close(net.weight.detach()[0], torch.tensor([-5e-7, 4e-6 / 6]), atol=0.0, rtol=1e-5)


@FUSED_OR_NOT
def test_clipping_by_norm_then_by_value_gives_the_worked_numbers(fused) -> None:
    net = nn.Linear(3, 1, bias=False)
    step = step_of(net, partial(torch.optim.SGD, lr=1.0, fused=fused), clip_norm=10.0, clip_value=2.5)
    before = net.weight.detach().clone()
    step.gradient.copy_(torch.tensor([6.0, 8.0, -24.0]))
    assert step(1.0).item() == pytest.approx(26.0)
    moved = (before - net.weight).detach()[0]  # by value first would leave (2.5, 2.5, -2.5)
    torch.testing.assert_close(moved, torch.tensor([2.30769, 2.5, -2.5]), atol=1e-5, rtol=0.0)


def test_clipping_equals_torchs_two_functions_in_linesights_order() -> None:
    net, twin = small_net(), small_net()
    step = step_of(net, partial(torch.optim.SGD, lr=1.0), clip_norm=2.0, clip_value=0.3)
    backward(net, 10.0, 0)
    backward(twin, 10.0, 0)
    step(1.0)
    nn.utils.clip_grad_norm_(twin.parameters(), 2.0)
    nn.utils.clip_grad_value_(twin.parameters(), 0.3)
    expected = torch.cat([parameter.grad.flatten() for parameter in twin.parameters()])
    torch.testing.assert_close(step.gradient, expected)
    assert (expected.abs() == 0.3).any()


def slow_adam(m, v, t, rate, eps):
    """Kingma and Ba 2015, algorithm 1."""
    return rate * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + eps)


def slow_radam(m, v, t, rate, eps):
    """Liu et al. 2020, algorithm 2, with epsilon beside the root as torch has it."""
    longest = 2 / (1 - 0.999) - 1
    length = longest - 2 * t * 0.999**t / (1 - 0.999**t)
    mean = m / (1 - 0.9**t)
    if length <= 5:
        return rate * mean
    rectified = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return rate * mean * math.sqrt(rectified) * math.sqrt(1 - 0.999**t) / (math.sqrt(v) + eps)


@pytest.mark.parametrize(
    ("optimizer", "slow", "eps"),
    [(torch.optim.Adam, slow_adam, 1.953125e-5), (torch.optim.RAdam, slow_radam, 1e-4)],
)
def test_optimizers_with_decoupled_decay_equal_their_closed_form(optimizer, slow, eps) -> None:
    net = nn.Linear(4, 1, bias=False).double()
    step = step_of(net, partial(optimizer, eps=eps), clip_norm=1e9, weight_decay_ratio=0.1)
    values = net.weight.detach()[0].tolist()
    m, v = [0.0] * 4, [0.0] * 4
    generator = torch.Generator().manual_seed(0)
    for t in range(1, 13):
        rate = 0.05 / t
        gradient = 1e-3 * torch.randn(4, generator=generator, dtype=torch.float64)
        step.gradient.copy_(gradient)
        step(rate)
        for i, g in enumerate(gradient.tolist()):
            m[i], v[i] = 0.9 * m[i] + 0.1 * g, 0.999 * v[i] + 0.001 * g * g
            values[i] = (values[i] - slow(m[i], v[i], t, rate, eps)) * (1 - 0.1 * rate)
    torch.testing.assert_close(net.weight.detach()[0], torch.tensor(values, dtype=torch.float64))
