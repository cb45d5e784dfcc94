"""The seven-second horizon: law of the clock, and the collate rule of Linesight written as a loop."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.replay.horizon.mini_race import MiniRace
from btr_tm.replay.horizon.segment import Segment

from .helpers import drive
from .test_buffer import replay


def mini_race(gamma: float = 1.0, **options) -> MiniRace:
    return MiniRace(lambda frames: gamma, Clock(), **options)


def test_law_of_the_clock() -> None:
    """P(0) = 11/180, P(1..30) = 2/180 each, P(31..139) = 1/180 each; chi-square within 5 deviations."""
    draws = 180_000
    clock = mini_race().draw(draws, torch.Generator().manual_seed(0))
    expected = torch.tensor([11.0] + [2.0] * 30 + [1.0] * 109) / 180 * draws
    count = torch.bincount(clock, minlength=140)
    assert len(count) == 140
    chi_square = float(((count - expected) ** 2 / expected).sum())
    assert abs(chi_square - 139) < 5 * (2 * 139) ** 0.5


def collate(t: int, cumulative: list[float], phi: float, next_phi: float, terminal_actions: float, g: float):
    """Linesight's sampling-time rule for one transition with its stored cumulative rewards."""
    n = len(cumulative)
    n_used = n - max(0, t + n - 140)
    terminal = n_used >= terminal_actions or t + n >= 140
    discount = 0.0 if terminal else g**n_used
    reward = cumulative[n_used - 1] + (0.0 if terminal else discount * next_phi) - phi
    return reward, discount, float(t), float(t + n)


@pytest.mark.parametrize("gamma", [1.0, 0.97])
@pytest.mark.parametrize("terminated", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_returns_equal_the_collate_rule(gamma: float, terminated: bool, length: int) -> None:
    rewards = torch.tensor([0.5, -1.0, 2.0])[:length]
    cumulative = (gamma ** torch.arange(length) * rewards).cumsum(0).tolist()
    clock = torch.arange(140)
    segment = Segment(
        rewards=torch.cat([rewards, torch.zeros(3 - length)]).expand(140, 3),
        length=torch.full((140,), length),
        terminated=torch.full((140,), terminated),
        potential=torch.full((140,), 0.3),
        next_potential=torch.full((140,), -0.7),
        gamma=gamma,
        exponent=torch.full((140,), length),
    )
    answer = mini_race(gamma).at(clock, segment)[:4]
    terminal_actions = length if terminated else float("inf")
    expected = [collate(int(t), cumulative, 0.3, -0.7, terminal_actions, gamma) for t in clock]
    torch.testing.assert_close(torch.stack(answer[:4], 1), torch.tensor(expected))


def test_both_observations_carry_the_clock_and_the_store_is_left_alone() -> None:
    fast = replay(horizon=mini_race(), capacity=60)
    for t in drive(30, 3, torch.Generator().manual_seed(2)):
        fast.add(t)
    before = fast.ring.rows["floats"].clone()
    batch = fast.sample(500)
    clock, next_clock = batch.obs.floats[:, 0], batch.next_obs.floats[:, 0]
    assert int(clock.max()) > 100 and int(clock.min()) == 0
    assert set((next_clock - clock).int().tolist()) == {1, 2, 3}
    assert bool((batch.discount[next_clock >= 140] == 0).all())
    assert torch.equal(before, fast.ring.rows["floats"])
