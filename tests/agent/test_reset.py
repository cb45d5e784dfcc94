"""Partial resets, parameter by parameter."""

from __future__ import annotations

import torch

from btr_tm.agent.reset import NoReset, PartialReset

from ..nets.helpers import ALL_ON, network, random_batch
from .helpers import learner


def reset_of(net, every_frames: int = 100, seed: int = 5, **options) -> PartialReset:
    numbers = {"share": 0.01, "last_share": 0.8, "extra_uses": 1_600_000} | options
    return PartialReset(net, torch.Generator().manual_seed(seed), every_frames, **numbers)


def test_parameters_move_by_their_share_and_last_layers_by_more() -> None:
    net = network(**ALL_ON, seed=0)
    reset = reset_of(net)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 1.0
    before = {name: value.clone() for name, value in net.named_parameters()}
    assert reset(net, 99) == 0
    assert all(torch.equal(value, before[name]) for name, value in net.named_parameters())
    assert reset(net, 100) == 1_600_000
    fresh = dict(network(**ALL_ON, seed=5).named_parameters())  # drawn from an equal generator
    last = 0
    for name, value in net.named_parameters():
        old, new = before[name].double(), fresh[name].double()
        expected = old + 0.01 * (new - old)
        if name.startswith(("head.advantage_out.", "head.value_out.")):
            expected = expected + 0.8 * (new - expected)
            last += 1
        torch.testing.assert_close(value.double(), expected, atol=1e-6, rtol=1e-5)
    assert last == 8  # mean and noise, weight and bias, of two layers


def test_a_reset_comes_once_a_period_each_with_a_fresh_draw() -> None:
    net = network()
    reset = reset_of(net, share=1.0, last_share=1.0, extra_uses=3)
    granted, weights = [], []
    for frames in range(0, 400, 40):
        granted.append(reset(net, frames))
        if granted[-1]:
            weights.append(net.head.advantage[0].weight.clone())
    assert granted == [0, 0, 0, 3, 0, 3, 0, 0, 3, 0]
    assert not torch.equal(weights[0], weights[1])


def test_layer_norm_is_fresh_too() -> None:
    net = network(**ALL_ON)
    reset = reset_of(net, share=1.0)
    with torch.no_grad():
        net.head.advantage[1].weight.fill_(7.0)
    reset(net, 100)
    assert (net.head.advantage[1].weight == 1.0).all()


def reset_learner(seed: int):
    net = network(**ALL_ON, seed=seed)
    return learner(net, seed=seed, reset=reset_of(net, every_frames=30, seed=seed))


def test_the_learner_resets_grants_uses_and_goes_on_bit_for_bit_after_loading(tmp_path) -> None:
    one, other = reset_learner(0), reset_learner(3)

    def train(which, updates) -> None:
        for update in updates:
            which.clock.frames = 10 * update
            which.update(random_batch(5, update))

    train(one, range(8))
    assert one.extra_uses == 2 * 1_600_000
    torch.save(one.state_dict(), tmp_path / "learner.pt")
    other.load_state_dict(torch.load(tmp_path / "learner.pt", weights_only=True))
    train(one, range(8, 14))
    train(other, range(8, 14))
    assert one.extra_uses == other.extra_uses == 4 * 1_600_000
    assert torch.equal(one.step.parameters, other.step.parameters)


def test_moments_of_the_optimizer_and_the_target_stay() -> None:
    nets = [network(), network()]
    one, other = learner(nets[0], reset=reset_of(nets[0], every_frames=10)), learner(nets[1])
    for which in (one, other):
        which.update(random_batch(5))
        which.clock.frames = 10
        which.update(random_batch(5, 1))
    moments = [each.step.optimizer.state[each.step.parameters]["exp_avg_sq"] for each in (one, other)]
    assert torch.equal(*moments) and not torch.equal(one.step.parameters, other.step.parameters)
    targets = zip(one.target_net.parameters(), other.target_net.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in targets)


def test_no_reset_does_nothing() -> None:
    assert NoReset()(network(), 10**9) == 0
