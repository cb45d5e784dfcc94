"""The whole learner on problems whose solution is known."""

from __future__ import annotations

import math

import pytest
import torch

from btr_tm.core.bins import Bins
from btr_tm.core.floats import FloatLayout
from btr_tm.core.schedule import Constant, Exponential
from btr_tm.core.types import Batch, Obs
from btr_tm.losses.quantile import fixed_taus
from btr_tm.losses.value_loss import HlGauss, QuantileHuber
from btr_tm.nets.layers import LayerNorm
from btr_tm.nets.values import BinMeans
from btr_tm.targets.greedy import DoubleDqn, Max

from ..nets.helpers import network, noisy
from ..targets.helpers import munchausen
from .helpers import hard, learner

STATES, LEFT, RIGHT = 5, 0, 1
DISCOUNT = 0.9


def seen(states: torch.Tensor) -> Obs:
    floats = torch.nn.functional.one_hot(states, STATES).float()
    return Obs(torch.zeros(len(states), 1, 0, 0, dtype=torch.uint8), floats)


def chain() -> Batch:
    """All transitions of a corridor: right of its last state waits reward 1, left of its first 0.1."""
    state = torch.arange(STATES).repeat_interleave(2)
    action = torch.tensor([LEFT, RIGHT]).repeat(STATES)
    following = torch.where(action == RIGHT, state + 1, state - 1)
    ended = (following < 0) | (following >= STATES)
    reward = torch.where(following >= STATES, 1.0, torch.where(following < 0, 0.1, 0.0))
    discount = torch.where(ended, 0.0, DISCOUNT)
    rows = torch.arange(len(state))
    inside = following.clamp(0, STATES - 1)
    return Batch(seen(state), action, reward, discount, seen(inside), torch.ones(len(state)), rows)


def exact_values(tau: float, alpha: float, low: float) -> list[list[float]]:
    """Tabular (Munchausen) value iteration; tau 0 is the greedy one."""
    batch = chain()
    following = batch.next_obs.floats.argmax(1).tolist()
    q = [[0.0, 0.0] for _ in range(STATES)]

    def log_pi(row):  # times tau
        top = max(row)
        return [v - top - tau * math.log(sum(math.exp((w - top) / tau) for w in row)) for v in row]

    def value(row):
        if tau == 0:
            return max(row)
        return sum(math.exp(lp / tau) * (v - lp) for v, lp in zip(row, log_pi(row), strict=True))

    for _ in range(500):
        new = [[0.0, 0.0] for _ in range(STATES)]
        for i, (s, a) in enumerate((s, a) for s in range(STATES) for a in (LEFT, RIGHT)):
            bonus = alpha * min(max(log_pi(q[s])[a], low), 0.0) if tau else 0.0
            new[s][a] = float(batch.reward[i]) + bonus + float(batch.discount[i]) * value(q[following[i]])
        q = new
    return q


def corridor_net(**parts):
    return network((1, 0, 0), FloatLayout.generic(STATES), 2, hidden=32, float_hidden=32, **parts)


@pytest.mark.parametrize(
    ("target", "exact"),
    [
        (Max("mean"), exact_values(0.0, 0.0, 0.0)),
        (DoubleDqn(), exact_values(0.0, 0.0, 0.0)),
        (munchausen(entropy_tau=0.03), exact_values(0.03, 0.9, -1.0)),
    ],
    ids=["max", "ddqn", "munchausen"],
)
def test_a_corridor_is_solved_to_the_values_of_tabular_iteration(target, exact) -> None:
    one = learner(
        corridor_net(),
        target=target,
        target_sync=hard(20),
        learning_rate=Exponential([[0, 5e-3], [1200, 2e-4]]),
        taus=8,
    )
    batch = chain()
    for update in range(1200):
        one.clock.frames = update
        one.update(batch)
    q = one.online(seen(torch.arange(STATES)), fixed_taus(32).expand(STATES, -1)).mean(1).detach()
    assert (q.argmax(1) == RIGHT).all()
    torch.testing.assert_close(q, torch.tensor(exact), atol=0.05, rtol=0.0)


def test_a_corridor_is_solved_with_bins_to_the_values_of_tabular_iteration() -> None:
    bins = Bins(-1.0, 2.0, 31)
    one = learner(
        corridor_net(values=BinMeans(bins)), target=DoubleDqn(), target_sync=hard(20),
        learning_rate=Exponential([[0, 5e-3], [1200, 2e-4]]), value_loss=HlGauss(bins, 0.75),
    )  # fmt: skip
    batch = chain()
    for update in range(1200):
        one.clock.frames = update
        metrics = one.update(batch).metrics
    decision = one.policy.act(seen(torch.arange(STATES)), explore=False)
    assert (decision.action == RIGHT).all() and metrics["td_abs"] < 0.02
    torch.testing.assert_close(decision.q, torch.tensor(exact_values(0.0, 0.0, 0.0)), atol=0.05, rtol=0.0)


def test_a_corridor_is_solved_with_noise_and_layer_norm() -> None:
    one = learner(
        corridor_net(linear=noisy(), layer=LayerNorm()), target_sync=hard(20), taus=8,
        learning_rate=Constant(2e-3),
    )  # fmt: skip
    batch = chain()
    for _ in range(500):
        one.update(batch)
    decision = one.policy.act(seen(torch.arange(STATES)), explore=False)
    assert (decision.action == RIGHT).all()


def test_implicit_quantiles_recover_the_distribution_of_a_noisy_reward() -> None:
    """Action 0 pays uniformly in (-1, 1), action 1 pays 1 half of the time: quantile functions known."""
    one = learner(
        corridor_net(), target=Max("mean"), value_loss=QuantileHuber(0.05), taus=8,
        learning_rate=Exponential([[0, 5e-3], [800, 2e-4]]),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(5)
    rows = 128
    state = seen(torch.zeros(rows, dtype=torch.int64))
    for update in range(800):
        one.clock.frames = update
        action = torch.arange(rows) % 2
        draw = torch.rand(rows, generator=generator)
        reward = torch.where(action == 0, 2 * draw - 1, (draw < 0.5).float())
        ones = torch.ones(rows)
        one.update(Batch(state, action, reward, 0 * ones, state, ones, torch.arange(rows)))
    taus = torch.tensor([[0.1, 0.25, 0.5, 0.75, 0.9]])
    quantiles = one.online(Obs(state.image[:1], state.floats[:1]), taus)[0].detach()
    torch.testing.assert_close(quantiles[:, 0], 2 * taus[0] - 1, atol=0.12, rtol=0.0)
    outer = torch.tensor([0, 1, 3, 4])  # at one half the quantile function jumps
    torch.testing.assert_close(quantiles[outer, 1], torch.tensor([0.0, 0.0, 1.0, 1.0]), atol=0.2, rtol=0.0)
