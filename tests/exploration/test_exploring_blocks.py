"""Exploring where a decision is a block of actions: one draw for each action, or one for the whole block."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from btr_tm.core.schedule import Constant
from btr_tm.exploration.auto import auto
from btr_tm.exploration.noise import NoisyGreedy

from .helpers import exploring

CARS, K = 20_000, 3
CLEAR = torch.tensor([[0.0, 1.0, 0.2, 0.3], [1.0, 0.0, 0.2, 0.3], [0.0, 0.1, 0.2, 1.0]])
BEST = torch.tensor([1, 0, 3])


def draw(exploration, q=CLEAR, cars=CARS, frames=0, seed=0):
    return exploration(q.expand(cars, *q.shape), torch.Generator().manual_seed(seed), frames)


@pytest.mark.parametrize("how", ["per_action", "per_block"])
def test_every_action_of_a_block_is_as_often_random_as_a_single_one(how: str) -> None:
    action, greedy = draw(exploring(Constant(0.4), draw=how))
    assert action.shape == (CARS, K) and greedy.shape == (CARS,)
    for slot in range(K):
        shares = torch.bincount(action[:, slot], minlength=4) / CARS
        expected = torch.full((4,), 0.1)
        expected[BEST[slot]] += 0.6
        torch.testing.assert_close(shares, expected, atol=0.012, rtol=0.0)
    assert torch.equal(greedy, (action == BEST).all(1))


def test_draws_per_action_are_independent_and_draws_per_block_are_one() -> None:
    """Chances that j of 3 actions differ from the best: an action differs with 0.4 * 3/4 = 0.3."""
    for how, expected in (
        ("per_action", [0.7**3, 3 * 0.3 * 0.7**2, 3 * 0.3**2 * 0.7, 0.3**3]),
        # a random block: each action differs with 3/4
        ("per_block", [0.6 + 0.4 / 64, 0.4 * 9 / 64, 0.4 * 27 / 64, 0.4 * 27 / 64]),
    ):
        action, _ = draw(exploring(Constant(0.4), draw=how), seed=1)
        differing = Counter((action != BEST).sum(1).tolist())
        counts = [differing[j] / CARS for j in range(4)]
        assert counts == pytest.approx(expected, abs=0.012), how


def test_a_perturbed_block_is_never_mixed_with_random_actions() -> None:
    """Actions that are far from best come from random blocks only, and the whole block is random then."""
    q = torch.tensor([[0.500, 0.501, 0.0], [0.501, 0.500, 0.0]])
    exploration = exploring(Constant(0.2), Constant(0.5), tau=0.01, draw="per_block")
    action, greedy = draw(exploration, q)
    far = (action == 2).float()
    # A far action: epsilon / 3; both: epsilon / 9, more often than the square that separate draws would give.
    assert far.mean().item() == pytest.approx(0.2 / 3, abs=0.006)
    assert far.prod(1).mean().item() == pytest.approx(0.2 / 9, abs=0.004)
    # N(0, 2 * 0.01^2) exceeds 0.001 with probability 0.4718: a perturbed block is greedy with 0.5282^2.
    chance = 0.3 + 0.5 * 0.5282**2 + 0.2 / 9
    assert greedy.float().mean().item() == pytest.approx(chance, abs=0.012)


@pytest.mark.parametrize("how", ["per_action", "per_block"])
@pytest.mark.parametrize("slots", [(), (1,), (4,)])
def test_choices_equal_a_slow_loop_over_the_same_numbers(how: str, slots: tuple) -> None:
    cars, actions, epsilon, perturbed, tau = 200, 5, 0.3, 0.4, 0.5
    q = torch.randn(cars, *slots, actions, generator=torch.Generator().manual_seed(3))
    exploration = exploring(Constant(epsilon), Constant(perturbed), tau, how)
    action, greedy = exploration(q, torch.Generator().manual_seed(4), 0)
    again = torch.Generator().manual_seed(4)
    count = slots[0] if slots else 1
    chance = torch.rand(cars * (count if how == "per_action" else 1), generator=again).view(cars, -1)
    random = torch.randint(actions, (cars, count), generator=again)
    noise = torch.randn(cars, count, actions, generator=again)
    for car in range(cars):
        all_best = True
        for slot in range(count):
            values = q[car].view(count, actions)[slot]
            r = float(chance[car, slot if how == "per_action" else 0])
            best = max(range(actions), key=lambda a, values=values: float(values[a]))
            near = int((values + tau * noise[car, slot]).argmax())
            chosen = int(random[car, slot]) if r < epsilon else near if r < epsilon + perturbed else best
            assert int(action[car].view(-1)[slot]) == chosen
            all_best &= chosen == best
        assert bool(greedy[car]) == all_best


def test_how_blocks_are_drawn_makes_no_difference_to_single_actions() -> None:
    q = torch.randn(500, 12, generator=torch.Generator().manual_seed(5))
    per_action, per_block = (
        exploring(Constant(0.3), Constant(0.3), 0.5, how)(q, torch.Generator().manual_seed(6), 0)
        for how in ("per_action", "per_block")
    )
    assert torch.equal(per_action[0], per_block[0]) and torch.equal(per_action[1], per_block[1])


def test_noise_takes_the_best_action_of_every_slot() -> None:
    action, greedy = draw(NoisyGreedy(), cars=7)
    assert torch.equal(action, BEST.expand(7, -1)) and greedy.shape == (7,) and greedy.all()


def test_auto_hands_on_how_to_draw() -> None:
    assert auto(False, Constant(1.0), Constant(0.0), 0.01, "per_block").draw == "per_block"
