"""How the target follows."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from btr_tm.agent.target_sync import target_copy
from btr_tm.core.errors import UserError

from ..nets.helpers import ALL_ON, network, observations
from .helpers import hard, soft


def moved_pair():
    online = network(**ALL_ON, seed=0)
    target = target_copy(online)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in online.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    for _ in range(50):
        online.power_iteration()
    online.reset_noise(generator)
    return online, target


def largest_sigma_error(net) -> float:
    kernels = net.encoder.trunk.normalised().values()
    return max(abs(torch.linalg.svdvals(kernel.flatten(1))[0].item() - 1) for kernel in kernels)


def test_a_copy_gets_no_gradient_and_does_not_follow_by_itself() -> None:
    online, target = moved_pair()
    assert not any(parameter.requires_grad for parameter in target.parameters())
    assert all(parameter.requires_grad for parameter in online.parameters())
    assert largest_sigma_error(target) < 1e-2
    online.reset_noise(torch.Generator().manual_seed(3))
    assert (target.head.advantage[0].noise_in == 0).all()


@pytest.mark.parametrize("sync", [hard(every_updates=3), soft(tau=1.0, every_updates=3)])
def test_hard_sync_copies_parameters_and_buffers_in_its_turn(sync) -> None:
    online, target = moved_pair()
    obs, taus = observations(3), torch.rand(3, 4)
    before = target(obs, taus)
    sync(online, target, 2)
    assert torch.equal(target(obs, taus), before)
    sync(online, target, 3)
    torch.testing.assert_close(target(obs, taus), online(obs, taus).detach(), atol=1e-3, rtol=1e-3)
    assert largest_sigma_error(target) < 1e-2
    for parameter, source in zip(target.parameters(), online.parameters(), strict=True):
        assert torch.equal(parameter, source)


def test_soft_sync_moves_by_its_share() -> None:
    online, target = moved_pair()
    start = [parameter.clone() for parameter in target.parameters()]
    soft(tau=0.25)(online, target, 1)
    for old, new, goal in zip(start, target.parameters(), online.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.25 * (goal - old).detach())


def test_soft_sync_keeps_the_spectral_norm_of_the_target_at_one() -> None:
    online, target = moved_pair()
    for update in range(150):
        soft(tau=0.1)(online, target, update)
    assert largest_sigma_error(target) < 1e-2


def named(net):
    return dict(net.named_parameters()) | dict(net.named_buffers())


def is_noise(name: str) -> bool:
    return name.endswith(("noise_in", "noise_out"))


def is_vector(name: str) -> bool:
    return "left_" in name or "right_" in name


@pytest.mark.parametrize("buffers", ["follow", "own"])
def test_hard_sync_copies_all_but_the_noise_a_target_owns(buffers) -> None:
    online, target = moved_pair()
    target.reset_noise(torch.Generator().manual_seed(4))
    before = {name: value.clone() for name, value in named(target).items()}
    hard(1, buffers)(online, target, 1)
    for name, value in named(online).items():
        source = before[name] if buffers == "own" and is_noise(name) else value
        assert torch.equal(named(target)[name], source), name


@pytest.mark.parametrize("buffers", ["follow", "own"])
def test_soft_sync_mixes_every_buffer_or_leaves_them_to_power_iteration(buffers) -> None:
    online, target = moved_pair()
    target.reset_noise(torch.Generator().manual_seed(4))
    before = {name: value.clone() for name, value in named(target).items()}
    soft(0.25, buffers=buffers)(online, target, 1)
    expected = target_copy(target)  # what a slow loop makes of the old values
    parameters = dict(expected.named_parameters())
    for name, value in named(expected).items():
        moves = name in parameters or buffers == "follow"
        share = 0.25 if moves else 0.0
        value.copy_(before[name] + share * (named(online)[name].detach() - before[name]))
    expected.power_iteration()
    for name, value in named(expected).items():
        torch.testing.assert_close(named(target)[name], value, atol=1e-6, rtol=1e-5, msg=name)
        moved = not torch.equal(named(target)[name], before[name])
        assert moved or not (is_vector(name) or (buffers == "follow" and is_noise(name))), name
        assert not (moved and buffers == "own" and is_noise(name)), name


@pytest.mark.parametrize("sync", [partial(hard, every_updates=0), partial(soft, tau=0.0)])
def test_a_sync_that_never_moves_is_refused_in_one_sentence(sync) -> None:
    with pytest.raises(UserError, match="must be .*, got 0"):
        sync()


def test_the_share_is_at_most_one() -> None:
    assert soft(tau=1.0).tau == 1.0
    with pytest.raises(UserError, match="at most 1, got 1.5"):
        soft(tau=1.5)
