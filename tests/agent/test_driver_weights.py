"""The weights that are evaluated and saved: those of the last update, or their moving average."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from btr_tm.agent.driver_weights import AveragedWeights, OnlineWeights
from btr_tm.core.errors import UserError

from ..nets.helpers import ALL_ON, network, random_batch
from .helpers import learner, soft

averaged = partial(AveragedWeights, share=0.25)


def averaging(seed: int = 0, **options):
    return learner(network(**ALL_ON, seed=seed), seed=seed, driver_weights=averaged, **options)


def train(which, updates) -> None:
    for update in updates:
        which.clock.frames = 10 * update
        which.update(random_batch(5, update))


def test_the_average_is_the_weighted_sum_over_all_updates() -> None:
    one = averaging()
    expected = [parameter.double() for parameter in one.online.parameters()]
    for update in range(6):
        train(one, [update])
        share = max(0.25, 1 / (update + 2))  # the first ones count alike, and as much as the beginning
        expected = [
            (1 - share) * old + share * new
            for old, new in zip(expected, one.online.parameters(), strict=True)
        ]
    for found, wanted in zip(one.driver.net.parameters(), expected, strict=True):
        torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-7)


def test_buffers_are_those_of_the_online_network() -> None:
    one = averaging()
    train(one, range(3))
    buffers = dict(one.online.named_buffers())
    assert any("noise" not in name for name in buffers), "the vectors of spectral norm"
    for name, found in one.driver.net.named_buffers():
        assert torch.equal(found, buffers[name]), name


def test_training_is_the_same_to_the_bit_with_and_without_an_average() -> None:
    one, other = averaging(), learner(network(**ALL_ON))
    obs = random_batch(5).obs
    for update in range(4):
        train(one, [update])
        train(other, [update])
        one.driver.act(obs, explore=False)
        assert torch.equal(one.policy.act(obs, explore=True).q, other.policy.act(obs, explore=True).q)
    assert torch.equal(one.step.parameters, other.step.parameters)


def test_acting_in_training_uses_the_online_weights_and_evaluation_the_average() -> None:
    one = averaging(target_sync=soft())
    train(one, range(3))
    obs = random_batch(5).obs
    assert one.policy.net is one.online and one.driver.net is not one.online
    q = one.driver.act(obs, explore=False).q
    assert not torch.equal(q, one.policy.act(obs, explore=False).q)
    one.driver.net.reset_noise(torch.Generator().manual_seed(7))
    assert torch.equal(q, one.driver.act(obs, explore=False).q), "noise is off in evaluations"


def test_the_whole_share_is_the_online_network() -> None:
    one = learner(network(**ALL_ON), driver_weights=partial(AveragedWeights, share=1.0))
    train(one, range(2))
    assert all(
        torch.equal(a, b) for a, b in zip(one.driver.net.parameters(), one.online.parameters(), strict=True)
    )


def test_the_average_goes_on_bit_for_bit_after_loading(tmp_path) -> None:
    one, other = averaging(0), averaging(3)
    train(one, range(4))
    torch.save(one.state_dict(), tmp_path / "learner.pt")
    other.load_state_dict(torch.load(tmp_path / "learner.pt", weights_only=True))
    train(one, range(4, 7))
    train(other, range(4, 7))
    for a, b in zip(one.driver.net.parameters(), other.driver.net.parameters(), strict=True):
        assert torch.equal(a, b)


def test_an_average_without_a_count_counts_as_an_old_one(tmp_path) -> None:
    one = averaging()
    state = one.driver_weights.state_dict()
    del state["updates"]
    one.driver_weights.load_state_dict(state)
    assert one.driver_weights.updates == 4, "as many as the average looks back"


def test_the_default_driver_is_the_policy_that_learns() -> None:
    one = learner(network(), driver_weights=OnlineWeights)
    assert one.driver is one.policy and one.state_dict()["driver"] == {}


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, float("nan")])
def test_a_share_that_averages_nothing_is_refused(share: float) -> None:
    with pytest.raises(
        UserError, match=f"share of policy=ema must be larger than 0 and at most 1, got {share}"
    ):
        AveragedWeights(network(), share)
