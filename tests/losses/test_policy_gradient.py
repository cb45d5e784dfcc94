"""PPO's loss and advantages against slow loops, torch's distributions and Stable-Baselines3."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical

from btr_tm.core.errors import UserError
from btr_tm.losses.policy_gradient import (
    ClippedSurrogate,
    Sample,
    advantages,
    entropy,
    log_probability,
    normalised,
)

T, E, GAMMA, TRACE = 7, 3, 0.9, 0.8


class Driven:
    """T decisions of E cars: one race ends by its own, one is cut off, one goes on."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        self.reward, self.value, self.next_value = torch.randn(3, T, E, generator=draw, dtype=torch.float64)
        self.terminated, self.ended = torch.zeros(2, T, E, dtype=torch.bool)
        self.terminated[2, 0] = self.ended[2, 0] = True
        self.ended[4, 1] = True  # cut off
        self.next_value[:-1] = torch.where(self.ended[:-1], self.next_value[:-1], self.value[1:])
        self.discount = torch.full((T, E), GAMMA, dtype=torch.float64).masked_fill(self.terminated, 0.0)

    def slow(self, t: int, car: int) -> float:
        """The sum of (gamma lambda)^l delta_{t + l} up to the end of the race."""
        total, power = 0.0, 1.0
        for s in range(t, T):
            after = 0.0 if self.terminated[s, car] else GAMMA * float(self.next_value[s, car])
            total += power * (float(self.reward[s, car]) + after - float(self.value[s, car]))
            power *= GAMMA * TRACE
            if self.ended[s, car]:
                break
        return total

    def found(self) -> Tensor:
        held = (self.reward, self.value, self.next_value, self.discount, self.ended)
        return advantages(*held, TRACE)


def test_advantages_are_those_of_the_slow_sum() -> None:
    driven, found = Driven(), Driven().found()
    for t in range(T):
        for car in range(E):
            assert float(found[t, car]) == pytest.approx(driven.slow(t, car), abs=1e-12)


def test_a_race_that_was_cut_off_keeps_the_value_of_what_follows() -> None:
    driven = Driven()
    before = driven.found()
    driven.next_value[4, 1] += 1.0
    changed = driven.found() - before
    assert float(changed[4, 1]) == pytest.approx(GAMMA)
    assert float(changed[5:].abs().max()) == 0.0
    driven.next_value[2, 0] += 1.0  # what follows a race that is over counts nothing
    assert torch.equal(driven.found()[:, 0], before[:, 0])


def test_advantages_are_those_of_stable_baselines3() -> None:
    pytest.importorskip("stable_baselines3")
    from gymnasium.spaces import Box, Discrete
    from stable_baselines3.common.buffers import RolloutBuffer

    driven = Driven()
    held = RolloutBuffer(T, Box(-1, 1, (1,)), Discrete(2), gae_lambda=TRACE, gamma=GAMMA, n_envs=E)
    # It knows no successor but the next row: its loop pays what was cut off into the reward.
    cut = driven.ended & ~driven.terminated
    held.rewards[:] = (driven.reward + torch.where(cut, GAMMA * driven.next_value, 0.0)).numpy()
    held.values[:] = driven.value.numpy()
    held.episode_starts[1:] = driven.ended[:-1].numpy()
    held.compute_returns_and_advantage(driven.next_value[-1], driven.ended[-1].numpy())
    np.testing.assert_allclose(held.advantages, driven.found(), atol=1e-6)


@pytest.mark.parametrize("block", [(), (3,)])
def test_probabilities_and_entropy_are_those_of_torch(block: tuple[int, ...]) -> None:
    logits = torch.randn(5, *block, 4)
    action = torch.randint(4, (5, *block))
    oracle = Categorical(logits=logits)
    torch.testing.assert_close(log_probability(logits, action), oracle.log_prob(action).reshape(5, -1).sum(1))
    torch.testing.assert_close(entropy(logits), oracle.entropy().reshape(5, -1).sum(1))


def slow_loss(ratio: float, advantage: float) -> float:
    near = min(max(ratio, 0.8), 1.2)
    return -min(ratio * advantage, near * advantage)


@pytest.mark.parametrize("value_clip", [0.0, 0.2])
def test_the_loss_is_that_of_a_slow_loop(value_clip: float) -> None:
    draw = torch.Generator().manual_seed(1)
    logits, value = torch.randn(6, 4, generator=draw), torch.randn(6, generator=draw)
    action = torch.randint(4, (6,), generator=draw)
    old = Sample(*torch.randn(4, 6, generator=draw))
    old = old._replace(log_p=log_probability(logits, action) - torch.linspace(-0.5, 0.5, 6))
    found = ClippedSurrogate(0.2, value_clip, 0.5, 0.01)(logits, value, action, old)
    policy_loss = value_loss = disorder = moved = 0.0
    for i in range(6):
        p = logits[i].softmax(0)
        ratio = math.exp(math.log(float(p[action[i]])) - float(old.log_p[i]))
        policy_loss += slow_loss(ratio, float(old.advantage[i])) / 6
        moved += (ratio - 1 - math.log(ratio)) / 6
        said = float(value[i])
        if value_clip:
            said = float(old.value[i]) + min(max(said - float(old.value[i]), -value_clip), value_clip)
        value_loss += (said - float(old.goal[i])) ** 2 / 6
        disorder -= sum(float(x) * math.log(float(x)) for x in p) / 6
    assert float(found.policy_loss) == pytest.approx(policy_loss, abs=1e-6)
    assert float(found.value_loss) == pytest.approx(value_loss, abs=1e-6)
    assert float(found.entropy) == pytest.approx(disorder, abs=1e-6)
    assert float(found.loss) == pytest.approx(policy_loss + 0.5 * value_loss - 0.01 * disorder, abs=1e-6)
    assert float(found.clipped) == pytest.approx(4 / 6)
    assert float(found.kl) == pytest.approx(moved, abs=1e-6) and moved > 0.01


def test_advantages_of_a_minibatch_are_normalised_unless_it_is_a_single_one() -> None:
    found = normalised(torch.tensor([1.0, 2.0, 6.0]))
    assert float(found.mean()) == pytest.approx(0.0, abs=1e-6) and float(found.std()) == pytest.approx(1.0)
    assert normalised(torch.tensor([3.0])).tolist() == [3.0]


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UserError, match="clip must lie between 0 and 1, got 1.5"):
        ClippedSurrogate(1.5, 0.0, 0.5, 0.0)
    with pytest.raises(UserError, match="entropy_weight must be 0 or larger, got -0.1"):
        ClippedSurrogate(0.2, 0.0, 0.5, -0.1)
