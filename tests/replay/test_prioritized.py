"""Prioritised sampling: the worked example of the specification, and draws against a flat array."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.schedule import Linear
from btr_tm.core.types import Transition

from .helpers import PRIORITIZED, drive, prioritized
from .helpers import build_replay as replay


def one_race(decisions: int) -> list[Transition]:
    return list(drive(decisions, 1, torch.Generator().manual_seed(0), 0, 0))


def four(**options):
    """A buffer with four transitions of absolute errors 0, 0.5, 1 and 8 in slots 0 to 3."""
    fast = replay(cars=1, capacity=20, sampler=prioritized(**options))
    for t in one_race(4):
        fast.add(t)
    fast.update_priorities(torch.arange(4), torch.tensor([0.0, 0.5, 1.0, 8.0]))
    return fast


@pytest.mark.parametrize(
    "beta, weights",
    [
        (0.2, (1, 0.59161771, 0.57543991, 0.52951272)),
        (0.4, (1, 0.35001151, 0.33113109, 0.28038372)),
        (1.0, (1, 0.07247794, 0.06309572, 0.04162766)),
    ],
)
def test_worked_example(beta: float, weights: tuple[float, ...]) -> None:
    fast = four(alpha=0.2, beta=beta)
    batch = fast.sample(40_000)
    share = torch.bincount(batch.index, minlength=4)[:4] / 40_000
    expected = torch.tensor([0.01829199, 0.25238016, 0.28990862, 0.43941922])
    torch.testing.assert_close(share, expected, atol=1e-4, rtol=0)  # stratified: off by one draw at most
    torch.testing.assert_close(batch.weight, torch.tensor(weights)[batch.index])


def test_beta_can_be_annealed() -> None:
    """Schaul's beta: min(1, 0.4 + 0.6 frames / total), here of 1000 frames."""
    clock = Clock()
    sampler = prioritized(beta=Linear([[0, 0.4], [1000, 1.0]]))
    fast = replay(cars=1, capacity=20, sampler=sampler, clock=clock)
    for t in one_race(4):
        fast.add(t)
    fast.update_priorities(torch.arange(4), torch.tensor([0.0, 0.5, 1.0, 8.0]))
    known = {0: (1, 0.35001151, 0.33113109, 0.28038372), 1000: (1, 0.07247794, 0.06309572, 0.04162766)}
    for frames, weights in (known | {5000: known[1000]}).items():
        clock.frames = frames
        batch = fast.sample(4000)
        torch.testing.assert_close(batch.weight, torch.tensor(weights)[batch.index])


def test_first_transitions_have_priority_one_and_later_ones_the_largest_seen() -> None:
    fast = four(alpha=0.5)
    leaves = fast._sampler.state["leaves"]
    new = one_race(5)[4]
    fast.add(new)
    assert leaves[4] == leaves[3] == (8.0 + 1e-6) ** 0.5
    assert leaves[5] == 0


def test_new_transitions_get_the_largest_priority_of_all_updates_not_of_the_latest() -> None:
    """The error of 8 counts on after smaller ones, after its own slot got one, and after a save."""
    fast = four(alpha=0.5)
    leaves, largest = fast._sampler.state["leaves"], (8.0 + 1e-6) ** 0.5
    for slot, new in zip((0, 3, 1), one_race(7)[4:], strict=True):
        fast.update_priorities(torch.tensor([slot]), torch.tensor([0.25]))
        fast.add(new)
        assert leaves[4:][leaves[4:] > 0].tolist() == [largest] * (slot_of(fast) - 4)


def test_the_largest_priority_is_restored_though_no_transition_has_it_any_more(tmp_path) -> None:
    saved, restored = four(alpha=0.5), four(alpha=0.5)
    restored.update_priorities(torch.tensor([0]), torch.tensor([100.0]))
    saved.update_priorities(torch.tensor([3]), torch.tensor([0.25]))
    restored.load(tmp_path, saved.save(tmp_path))
    restored.add(one_race(5)[4])
    assert restored._sampler.state["leaves"][4] == (8.0 + 1e-6) ** 0.5


def slot_of(fast) -> int:
    """Of the newest frame of the only car."""
    return int(fast.ring.cursor[0])


def test_leaves_are_positive_exactly_at_starts() -> None:
    fast = replay(sampler=PRIORITIZED)
    generator = torch.Generator().manual_seed(3)
    for t in drive(60, 3, generator):
        fast.add(t)
        batch = fast.sample(16)
        fast.update_priorities(batch.index, torch.rand(16, generator=generator))
        leaves = fast._sampler.state["leaves"][: fast.ring.slots]
        assert torch.equal(leaves > 0, fast.ring.rows["start"])


def test_a_late_update_does_not_revive_an_overwritten_slot() -> None:
    fast = replay(cars=1, capacity=8, sampler=PRIORITIZED)
    transitions = one_race(30)
    for t in transitions[:12]:
        fast.add(t)
    index = fast.ring.rows["start"].nonzero()[:, 0]
    fast.add(transitions[12])
    fast.update_priorities(index, torch.ones(len(index)))
    leaves = fast._sampler.state["leaves"][: fast.ring.slots]
    assert torch.equal(leaves > 0, fast.ring.rows["start"])


def test_an_error_that_is_not_finite_does_not_poison_the_tree() -> None:
    fast = four()
    fast.update_priorities(torch.tensor([0, 1]), torch.tensor([float("nan"), float("inf")]))
    assert bool(torch.isfinite(fast.sample(64).weight).all())


def test_alpha_zero_is_uniform_with_weights_of_one() -> None:
    batch = four(alpha=0.0).sample(4000)
    assert torch.bincount(batch.index).tolist() == [1000] * 4
    assert torch.equal(batch.weight, torch.ones(4000))


def test_errors_that_are_not_finite_count_as_none() -> None:
    fast = replay(cars=1, capacity=20, sampler=prioritized(alpha=0.5, epsilon=0.04))
    for t in one_race(4):
        fast.add(t)
    errors = torch.tensor([float("nan"), float("inf"), float("-inf"), 0.32])
    fast.update_priorities(torch.arange(4), errors)
    leaves = fast._sampler.state["leaves"][:4]
    assert leaves.tolist() == pytest.approx([0.2, 0.2, 0.2, 0.6])
