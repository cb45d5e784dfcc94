"""Targets against worked numbers, closed forms and slow loops, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from btr_tm.core.protocols import NetPair
from btr_tm.core.types import Batch, Obs, Step
from btr_tm.targets.greedy import DoubleDqn, Max
from btr_tm.targets.munchausen import scaled_log_softmax, soft_value

from .helpers import munchausen

F64 = torch.float64
GAMMA3 = 0.997**3
NEXT = torch.tensor([[[0.80, 0.90, 0.70], [1.20, 1.10, 1.00]]], dtype=F64)  # (B, N, A)
NOW = torch.tensor([[[1.00, 0.98, 0.90]]], dtype=F64)


def obs(rows: int, label: float) -> Obs:
    return Obs(torch.zeros(rows, 1, 0, 0, dtype=torch.uint8), torch.full((rows, 1), label))


def batch(action: Tensor, reward: Tensor, discount: Tensor) -> Batch:
    """`obs` carries the label 0, `next_obs` the label 1."""
    rows = len(action)
    return Batch(
        obs(rows, 0.0), action, reward, discount, obs(rows, 1.0), torch.ones(rows), torch.arange(rows)
    )


def table(now: Tensor, following: Tensor) -> Callable[[Obs, Tensor], Tensor]:
    """A network that answers with one of two tables."""
    return lambda seen, taus: now if seen.floats[0, 0] == 0 else following


def worked_batch(done: bool = False) -> Batch:
    reward = 1.0 - 0.5 * 0.997**2
    return batch(
        torch.tensor([1]),
        torch.tensor([reward], dtype=F64),
        torch.tensor([0.0 if done else GAMMA3], dtype=F64),
    )


TAUS = torch.tensor([[0.25, 0.75]], dtype=F64)
NETS = NetPair(online=table(NOW, NEXT), target=table(NOW, NEXT))


def test_scaled_log_softmax_gives_the_worked_numbers() -> None:
    q = NOW[0, 0]
    expected = torch.tensor([-0.01313005, -0.03313005, -0.11313005], dtype=F64)
    torch.testing.assert_close(scaled_log_softmax(q, 0.03), expected, atol=1e-8, rtol=0.0)
    policy = torch.tensor([0.64553982, 0.33143120, 0.02302898], dtype=F64)
    torch.testing.assert_close(torch.softmax(q / 0.03, 0), policy, atol=1e-8, rtol=0.0)
    assert soft_value(q[None, None], 0.03).item() == pytest.approx(1.0131300514, abs=1e-10)


@pytest.mark.parametrize(
    ("q", "bonuses"),
    [
        ((1.00, 0.98, 0.90), (-0.01181705, -0.02981705, -0.10181705)),
        ((2.0, 0.5, 0.4), (0.0, -0.9, -0.9)),
        ((0.3,) * 12, (-0.0670925,) * 12),
    ],
)
def test_bonus_is_the_clipped_scaled_log_policy(q: tuple, bonuses: tuple) -> None:
    rows = torch.tensor(q, dtype=F64).expand(len(q), -1)
    bonus = munchausen().bonus(rows, torch.arange(len(q)))
    torch.testing.assert_close(bonus, torch.tensor(bonuses, dtype=F64), atol=1e-7, rtol=0.0)


def test_clip_on_log_pi_bounds_the_bonus_by_alpha_tau() -> None:
    q = torch.tensor([[2.0, 0.5, 0.4]], dtype=F64)
    bonus = munchausen(clip_on="log_pi").bonus(q, torch.tensor([1]))
    assert bonus.item() == pytest.approx(-0.027)


def test_full_three_step_target_gives_the_worked_numbers() -> None:
    y = munchausen()(NETS, worked_batch(), NOW, TAUS)
    expected = torch.tensor([[1.3362591963, 1.6335672882]], dtype=F64)
    torch.testing.assert_close(y, expected, atol=1e-8, rtol=0.0)
    done = munchausen()(NETS, worked_batch(done=True), NOW, TAUS)
    torch.testing.assert_close(done, torch.full((1, 2), 0.4731784537, dtype=F64), atol=1e-9, rtol=0.0)


def test_max_judges_the_action_that_is_best_on_average() -> None:
    y = Max("mean")(NETS, worked_batch(), NOW, TAUS)
    torch.testing.assert_close(y, torch.tensor([[1.29581708, 1.69222787]], dtype=F64), atol=1e-8, rtol=0.0)
    per_quantile = Max(over="quantile")(NETS, worked_batch(), NOW, TAUS)
    torch.testing.assert_close(
        per_quantile, torch.tensor([[1.39491978, 1.69222787]], dtype=F64), atol=1e-8, rtol=0.0
    )


def test_double_dqn_lets_the_online_network_choose() -> None:
    online_next = NEXT[..., [2, 0, 1]]  # prefers action 1 of the target's numbering
    nets = NetPair(online=table(NOW, online_next), target=table(NOW, NEXT))
    y = DoubleDqn()(nets, worked_batch(), NOW, TAUS)
    reward = worked_batch().reward
    torch.testing.assert_close(y, reward[:, None] + GAMMA3 * NEXT[:, :, 1])


def slow_munchausen(now, following, data: Batch, alpha, tau, low) -> Tensor:
    """The equations with Python's own arithmetic."""
    rows = []
    for b in range(len(data.action)):

        def log_pi(table):
            q = [sum(column) / len(column) for column in zip(*table, strict=True)]
            top = max(q)
            normaliser = math.log(sum(math.exp((value - top) / tau) for value in q))
            return [(value - top) / tau - normaliser for value in q]

        bonus = alpha * min(max(tau * log_pi(now[b].tolist())[data.action[b]], low), 0.0)
        following_pi = log_pi(following[b].tolist())
        rows.append([
            float(data.reward[b])
            + bonus
            + float(data.discount[b])
            * sum(math.exp(lp) * (z - tau * lp) for lp, z in zip(following_pi, quantile, strict=True))
            for quantile in following[b].tolist()
        ])  # fmt: skip
    return torch.tensor(rows, dtype=F64)


@pytest.mark.parametrize("source", ["online", "target"])
def test_target_equals_the_slow_loop_whatever_network_gives_the_policy(source: str) -> None:
    generator = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=F64)  # noqa: E731
    online, target, following = draw(4, 8, 5), draw(4, 8, 5), draw(4, 8, 5)
    data = batch(torch.tensor([0, 4, 2, 2]), draw(4), torch.tensor([0.9, 0.0, 1.0, 0.5], dtype=F64))
    nets = NetPair(online=table(online, draw(4, 8, 5)), target=table(target, following))
    fast = munchausen(alpha=0.8, entropy_tau=0.2, clip_min=-0.6, log_pi_from=source)(
        nets, data, online, torch.rand(4, 8)
    )
    now = online if source == "online" else target
    torch.testing.assert_close(fast, slow_munchausen(now, following, data, 0.8, 0.2, -0.6))


@pytest.mark.parametrize(("n_step", "fixed_point"), [(1, 2.4103594503), (3, 0.7562449010)])
def test_without_rewards_the_uniform_policy_has_the_closed_form_value(n_step, fixed_point) -> None:
    q = torch.full((1, 2, 12), fixed_point, dtype=F64)
    data = batch(torch.tensor([5]), torch.zeros(1, dtype=F64), torch.tensor([0.997**n_step], dtype=F64))
    y = munchausen()(NetPair(table(q, q), table(q, q)), data, q, TAUS)
    torch.testing.assert_close(y, torch.full((1, 2), fixed_point, dtype=F64), atol=1e-9, rtol=0.0)


def test_shifting_all_values_shifts_only_the_bootstrap() -> None:
    shifted = NetPair(online=table(NOW + 7, NEXT + 7), target=table(NOW + 7, NEXT + 7))
    before = munchausen()(NETS, worked_batch(), NOW, TAUS)
    after = munchausen()(shifted, worked_batch(), NOW + 7, TAUS)
    torch.testing.assert_close(after, before + GAMMA3 * 7)


def test_cold_munchausen_is_clipped_advantage_learning() -> None:
    y = munchausen(entropy_tau=1e-6)(NETS, worked_batch(), NOW, TAUS)
    # Two next actions tie at the mean; the cold policy averages them.
    both = worked_batch().reward[:, None] + GAMMA3 * NEXT[:, :, :2].mean(2)
    torch.testing.assert_close(y, both + 0.9 * (0.98 - 1.00), atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("target", [Max("mean"), DoubleDqn(), munchausen(), munchausen(log_pi_from="target")])
def test_no_gradient_flows_through_a_target(target) -> None:
    now, following = NOW.clone().requires_grad_(), NEXT.clone().requires_grad_()
    nets = NetPair(online=table(now, following), target=table(now, following))
    assert not target(nets, worked_batch(), now, TAUS).requires_grad


def test_measure_tells_entropy_bonus_and_clipped_share() -> None:
    uniform = munchausen().measure(torch.zeros(3, 12), torch.tensor([0, 1, 2]))
    assert uniform["entropy"].item() == pytest.approx(math.log(12), rel=1e-6)
    assert uniform["bonus_mean"].item() == pytest.approx(-0.0670925, abs=1e-6)
    assert uniform["bonus_clipped"].item() == 0.0
    sure = munchausen().measure(torch.tensor([[2.0, 0.5]] * 2), torch.tensor([0, 1]))
    assert sure["entropy"].item() == pytest.approx(0.0, abs=1e-6)
    assert sure["bonus_clipped"].item() == 0.5


@pytest.mark.parametrize(
    "rule",
    [Max("mean"), DoubleDqn(), *(munchausen(log_pi_from=net, nstep="all") for net in ("online", "target"))],
)
def test_every_network_is_asked_at_the_fractions_of_the_target(rule) -> None:
    asked = []

    def network(seen: Obs, taus: Tensor) -> Tensor:
        asked.append(taus)
        return NEXT

    step = Step(obs(1, 2.0), torch.tensor([1]), torch.tensor([0.9], dtype=F64))
    rule(NetPair(network, network), worked_batch()._replace(inner=(step,)), NOW, TAUS)
    assert asked and all(taus is TAUS for taus in asked)


def test_scaled_log_softmax_stays_exact_for_large_values_and_small_tau() -> None:
    """Values of 10,000 m, a quarter apart, in float32; the other row must not spoil it."""
    q = torch.tensor([[10_000.0, 9_999.75], [0.0, -0.25]])
    exact = -0.25 - 0.03 * math.log1p(math.exp(-0.25 / 0.03))
    torch.testing.assert_close(
        scaled_log_softmax(q, 0.03)[:, 1], torch.full((2,), exact), atol=1e-6, rtol=0.0
    )


def test_a_bonus_at_the_bound_is_not_counted_as_clipped() -> None:
    only_action = munchausen(clip_min=0.0).measure(torch.zeros(2, 1), torch.zeros(2, dtype=torch.int64))
    assert only_action["bonus_clipped"].item() == 0.0


def test_clipped_share_knows_where_log_pi_is_clipped() -> None:
    """Two actions 0.05 apart at tau 0.03: log pi is -0.17 and -1.84, tau log pi -0.005 and -0.055."""
    q, action = torch.tensor([[1.0, 0.95]] * 2, dtype=F64), torch.tensor([0, 1])
    assert munchausen(clip_on="log_pi").measure(q, action)["bonus_clipped"].item() == 0.5
    assert munchausen(clip_on="tau_log_pi").measure(q, action)["bonus_clipped"].item() == 0.0
