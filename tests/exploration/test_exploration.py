"""Choices while exploring: shares of random actions, and what `greedy` means."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.schedule import Constant, Decay, Linear
from btr_tm.exploration.auto import auto
from btr_tm.exploration.noise import NoisyGreedy

from .helpers import exploring, noise_and

CARS = 20_000
CLEAR = torch.tensor([0.0, 1.0, 0.2]).expand(CARS, -1)


def draw(exploration, q=CLEAR, frames=0, seed=0):
    return exploration(q, torch.Generator().manual_seed(seed), frames)


def test_without_epsilon_the_best_action_is_taken() -> None:
    action, greedy = draw(exploring(Constant(0.0)))
    assert (action == 1).all() and greedy.all()


def test_epsilon_is_the_share_of_uniformly_random_actions() -> None:
    action, greedy = draw(exploring(Constant(0.3)))
    counts = torch.bincount(action, minlength=3) / CARS
    torch.testing.assert_close(counts, torch.tensor([0.1, 0.8, 0.1]), atol=0.01, rtol=0.0)
    assert (greedy == (action == 1)).all()


def test_boltzmann_share_chooses_among_near_ties_only() -> None:
    q = torch.tensor([0.50, 0.501, 0.0]).expand(CARS, -1)
    action, greedy = draw(exploring(Constant(0.0), Constant(0.5), tau=0.01), q)
    counts = torch.bincount(action, minlength=3) / CARS
    # N(0, 2 * 0.01^2) exceeds 0.001 with probability 0.4718
    assert counts[0].item() == pytest.approx(0.5 * 0.4718, abs=0.01)
    assert counts[2] == 0
    assert (greedy == (action == 1)).all()


def test_schedules_are_read_at_the_present_frame() -> None:
    exploration = exploring(Linear([[0, 1.0], [100, 0.0]]))
    assert (draw(exploration, frames=0)[0] != 1).float().mean() > 0.6
    assert (draw(exploration, frames=100)[0] == 1).all()


def test_noise_bypasses_epsilon_and_is_always_greedy() -> None:
    action, greedy = draw(NoisyGreedy())
    assert (action == 1).all() and greedy.all()


def test_noisy_epsilon_explores_both_ways() -> None:
    exploration = noise_and(Constant(0.3))
    assert exploration.noise
    action, greedy = draw(exploration)
    assert (action != 1).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert (greedy == (action == 1)).all()


def test_noise_and_epsilon_end_in_noise_alone_when_epsilon_is_switched_off() -> None:
    """BTR: epsilon decays geometrically toward 0.01 and is off in the second half of the run."""
    epsilon = Decay(1.0, 0.01, constant_frames=2000.0, stop_frames=25_000, after=0.0, speed=1.0)
    exploration = noise_and(epsilon)
    assert exploration.noise
    for frames, share in ((0, 1.0), (2000, 0.374), (24_999, 0.0100037)):
        action, greedy = draw(exploration, frames=frames)
        assert (action != 1).float().mean().item() == pytest.approx(2 / 3 * share, abs=0.011)
        assert torch.equal(greedy, action == 1)
    assert draw(exploration, frames=25_000)[1].all()


def test_auto_is_noise_for_noisy_heads_and_epsilon_for_plain_ones() -> None:
    assert auto(True, Constant(1.0), Constant(1.0), 0.01, "per_action") == NoisyGreedy()
    plain = auto(False, Constant(0.1), Constant(0.2), 0.01, "per_action")
    assert plain == exploring(Constant(0.1), Constant(0.2), tau=0.01)
    assert not plain.noise


def test_equal_seeds_give_equal_actions() -> None:
    exploration = exploring(Constant(0.5), Constant(0.2))
    assert torch.equal(draw(exploration, seed=4)[0], draw(exploration, seed=4)[0])
    assert not torch.equal(draw(exploration, seed=4)[0], draw(exploration, seed=5)[0])
