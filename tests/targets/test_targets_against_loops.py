"""Targets against slow loops: decisions of one or several actions, Munchausen terms at every state."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from btr_tm.core.protocols import NetPair
from btr_tm.core.types import Batch, Obs, Step
from btr_tm.targets.greedy import DoubleDqn, Max

from .helpers import munchausen

F64 = torch.float64
B, N, K, A = 5, 4, 3, 6
TAUS = torch.rand(B, N, generator=torch.Generator().manual_seed(0), dtype=F64)


def obs(label: float, rows: int = B) -> Obs:
    return Obs(torch.zeros(rows, 1, 0, 0, dtype=torch.uint8), torch.full((rows, 1), label))


def tables(generator: torch.Generator, *shape: int, count: int = 4) -> list[Tensor]:
    """Quantiles of the first state, the last, and those between."""
    return [torch.randn(*shape, generator=generator, dtype=F64) for _ in range(count)]


def network(quantiles: list[Tensor]):
    """Answers with the table that the first float numbers."""
    return lambda seen, taus: quantiles[int(seen.floats[0, 0])]


def random_batch(generator: torch.Generator, *block: int, inner: int = 0) -> Batch:
    """States 0, 1 (the last) and 2, 3, ... on the way; some returns end early."""

    def draw() -> Tensor:
        return torch.randn(B, generator=generator, dtype=F64)

    def action() -> Tensor:
        return torch.randint(A, (B, *block), generator=generator)

    still = torch.tensor([[1.0] * 5, [1.0, 1.0, 0.0, 1.0, 0.0]], dtype=F64)
    steps = tuple(Step(obs(2.0 + k), action(), 0.9 ** (k + 1) * still[k]) for k in range(inner))
    discount = torch.tensor([0.9, 0.0, 1.0, 0.5, 0.7], dtype=F64)
    return Batch(obs(0.0), action(), draw(), discount, obs(1.0), torch.ones(B), torch.arange(B), steps)


def mean_over_quantiles(quantiles: list[list[float]]) -> list[float]:
    return [sum(column) / len(column) for column in zip(*quantiles, strict=True)]


def argmax(values: list[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


def log_policy(q: list[float], tau: float) -> list[float]:
    top = max(q)
    normaliser = math.log(sum(math.exp((value - top) / tau) for value in q))
    return [(value - top) / tau - normaliser for value in q]


def slow_greedy(data: Batch, chooser: Tensor, judge: Tensor, per_quantile: bool) -> Tensor:
    """Sum over slots of the judge's values of the chooser's best actions; tables (B, N, K, A)."""
    rows = torch.zeros(B, N, dtype=F64)
    for b in range(B):
        for n in range(N):
            value = 0.0
            for slot in range(judge.shape[2]):
                z = judge[b, n, slot].tolist()
                q = mean_over_quantiles(chooser[b, :, slot].tolist())
                value += max(z) if per_quantile else z[argmax(q)]
            rows[b, n] = data.reward[b] + data.discount[b] * value
    return rows


@pytest.mark.parametrize("slots", [1, K])
def test_greedy_targets_sum_the_best_action_of_every_slot(slots: int) -> None:
    generator = torch.Generator().manual_seed(slots)
    online, target = tables(generator, B, N, slots, A), tables(generator, B, N, slots, A)
    data = random_batch(generator, slots)
    nets = NetPair(network(online), network(target))
    q_online = online[0]
    by_mean = Max("mean")(nets, data, q_online, TAUS)
    torch.testing.assert_close(by_mean, slow_greedy(data, target[1], target[1], False))
    by_quantile = Max(over="quantile")(nets, data, q_online, TAUS)
    torch.testing.assert_close(by_quantile, slow_greedy(data, target[1], target[1], True))
    double = DoubleDqn()(nets, data, q_online, TAUS)
    torch.testing.assert_close(double, slow_greedy(data, online[1], target[1], False))


def slow_bonus(quantiles: Tensor, action: list[int], options: dict) -> float:
    """Of one decision, from quantiles (N, K, A)."""
    alpha, tau, low = options["alpha"], options["entropy_tau"], options["clip_min"]
    total = 0.0
    for slot, taken in enumerate(action):
        log_pi = log_policy(mean_over_quantiles(quantiles[:, slot].tolist()), tau)[taken]
        on_log_pi = options["clip_on"] == "log_pi"
        total += tau * min(max(log_pi, low), 0.0) if on_log_pi else min(max(tau * log_pi, low), 0.0)
    return alpha * total


def slow_entropy(quantiles: Tensor, tau: float) -> float:
    total = 0.0
    for slot in range(quantiles.shape[1]):
        log_pi = log_policy(mean_over_quantiles(quantiles[:, slot].tolist()), tau)
        total -= sum(math.exp(lp) * tau * lp for lp in log_pi)
    return total


def slow_munchausen(data: Batch, online, target, options: dict) -> Tensor:
    """The equations with Python's own arithmetic; tables (B, N, K, A)."""
    tau = options["entropy_tau"]
    acting = online if options["log_pi_from"] == "online" else target
    rows = torch.zeros(B, N, dtype=F64)
    for b in range(B):
        start = float(data.reward[b])
        start += slow_bonus(acting[0][b], data.action[b].reshape(-1).tolist(), options)
        for k, step in enumerate(data.inner):
            bonus = slow_bonus(acting[2 + k][b], step.action[b].reshape(-1).tolist(), options)
            start += float(step.discount[b]) * (bonus + slow_entropy(target[2 + k][b], tau))
        for n in range(N):
            value = 0.0
            for slot in range(target[1].shape[2]):
                log_pi = log_policy(mean_over_quantiles(target[1][b, :, slot].tolist()), tau)
                z = target[1][b, n, slot].tolist()
                value += sum(math.exp(lp) * (y - tau * lp) for lp, y in zip(log_pi, z, strict=True))
            rows[b, n] = start + float(data.discount[b]) * value
    return rows


@pytest.mark.parametrize("slots", [1, K])
@pytest.mark.parametrize("clip_on", ["tau_log_pi", "log_pi"])
@pytest.mark.parametrize("log_pi_from", ["online", "target"])
@pytest.mark.parametrize("nstep", ["first", "all"])
def test_munchausen_equals_the_slow_loop(slots: int, clip_on: str, log_pi_from: str, nstep: str) -> None:
    generator = torch.Generator().manual_seed(slots)
    online, target = tables(generator, B, N, slots, A), tables(generator, B, N, slots, A)
    data = random_batch(generator, slots, inner=2 * (nstep == "all"))
    options = {"alpha": 0.8, "entropy_tau": 0.4, "clip_min": -0.6}
    options |= {"clip_on": clip_on, "log_pi_from": log_pi_from}
    fast = munchausen(**options, nstep=nstep)
    y = fast(NetPair(network(online), network(target)), data, online[0], TAUS)
    torch.testing.assert_close(y, slow_munchausen(data, online, target, options))
    low = -0.6 if clip_on == "tau_log_pi" else -0.6 * 0.4
    bonus = fast.bonus(online[0].mean(1), data.action)
    assert bool((bonus >= 0.8 * slots * low - 1e-12).all() and (bonus <= 0).all())


@pytest.mark.parametrize(
    "target",
    [Max("mean"), Max("quantile"), DoubleDqn(), munchausen(), munchausen(nstep="all", log_pi_from="target")],
)
def test_single_actions_are_blocks_of_one(target) -> None:
    generator = torch.Generator().manual_seed(7)
    online, offline = tables(generator, B, N, A), tables(generator, B, N, A)
    single = random_batch(torch.Generator().manual_seed(8), inner=2)
    blocks = random_batch(torch.Generator().manual_seed(8), 1, inner=2)
    y = target(NetPair(network(online), network(offline)), single, online[0], TAUS)
    wide = [[part[:, :, None] for part in tables] for tables in (online, offline)]
    again = target(NetPair(network(wide[0]), network(wide[1])), blocks, wide[0][0], TAUS)
    assert torch.equal(y, again)
    one = target.measure(online[0].mean(1), single.action)
    other = target.measure(wide[0][0].mean(1), blocks.action)
    assert one == other


def test_identical_slots_add_up() -> None:
    """K slots that all see the same values have K times the value and K times the bonus."""
    generator = torch.Generator().manual_seed(9)
    online, target = tables(generator, B, N, A), tables(generator, B, N, A)
    data = random_batch(generator)
    data = data._replace(reward=torch.zeros(B, dtype=F64))
    wide = [[part[:, :, None].expand(-1, -1, K, -1) for part in tables] for tables in (online, target)]
    blocks = data._replace(action=data.action[:, None].expand(-1, K))
    for rule in (Max("mean"), DoubleDqn(), munchausen()):
        single = rule(NetPair(network(online), network(target)), data, online[0], TAUS)
        block = rule(NetPair(network(wide[0]), network(wide[1])), blocks, wide[0][0], TAUS)
        torch.testing.assert_close(block, K * single)


@pytest.mark.parametrize(("nstep", "fixed_point"), [("first", 0.7562449010), ("all", 2.4103594503)])
def test_with_terms_at_every_state_three_steps_regularise_as_one_does(nstep: str, fixed_point) -> None:
    """Rewards 0 and a uniform policy over A actions: with c = tau ln A, chained one-step targets have
    Q = sum_k g^k (-alpha c) + (g + g^2) c + g^3 (Q + c), so Q = c (g - alpha) / (1 - g), as for n = 1.
    """
    gamma, c = 0.997, 0.03 * math.log(12)
    if nstep == "all":
        assert fixed_point == pytest.approx(c * (gamma - 0.9) / (1 - gamma), abs=1e-9)
    q = torch.full((1, 2, 12), fixed_point, dtype=F64)
    zero, taken = torch.zeros(1, dtype=F64), torch.tensor([5])
    rule = munchausen(nstep=nstep)
    inner = tuple(
        Step(obs(2.0, 1), taken, torch.tensor([gamma**k], dtype=F64))
        for k in range(1, 3 if rule.states == "all" else 1)
    )
    data = Batch(obs(0.0, 1), taken, zero, zero + gamma**3, obs(1.0, 1), zero + 1, taken, inner)
    y = rule(NetPair(network([q] * 3), network([q] * 3)), data, q, torch.full((1, 2), 0.5))
    torch.testing.assert_close(y, torch.full((1, 2), fixed_point, dtype=F64), atol=1e-9, rtol=0.0)


def test_only_munchausen_with_terms_at_every_state_asks_for_more_than_the_ends() -> None:
    assert munchausen(nstep="all").states == "all"
    assert {rule.states for rule in (Max("mean"), DoubleDqn(), munchausen())} == {"ends"}


def test_worked_numbers_hold_in_every_slot_of_a_block() -> None:
    """q = (1.00, 0.98, 0.90) at tau 0.03: bonuses -0.01181705, -0.02981705 and -0.10181705."""
    q = torch.tensor([1.00, 0.98, 0.90], dtype=F64).expand(1, 3, 3)
    bonus = munchausen().bonus(q, torch.tensor([[0, 1, 2]]))
    assert bonus.item() == pytest.approx(-0.01181705 - 0.02981705 - 0.10181705, abs=1e-7)
    measured = munchausen().measure(torch.tensor([[[2.0, 0.5]] * 2]), torch.tensor([[0, 1]]))
    assert measured["bonus_clipped"].item() == 0.5
    assert measured["bonus_mean"].item() == pytest.approx(-0.9)
    uniform = munchausen().measure(torch.zeros(2, 5, 12), torch.zeros(2, 5, dtype=torch.int64))
    assert uniform["entropy"].item() == pytest.approx(math.log(12), rel=1e-6)
