"""Linesight's variant of prioritised sampling, against a slow loop over a list of leaves."""

from __future__ import annotations

import pytest
import torch

from .helpers import LINESIGHT, build_replay, linesight, mini_race
from .test_prioritized import one_race


def buffer(decisions: int, **options):
    fast = build_replay(cars=1, sampler=linesight(**options))
    return filled(fast, decisions)


def filled(fast, decisions: int):
    for t in one_race(decisions):
        fast.add(t)
    return fast


def leaves(fast) -> list[float]:
    return fast._sampler.state["leaves"][: fast.ring.slots].tolist()


def waiting(fast) -> float:
    return float(fast._sampler.state["waiting"])


class SlowSampler:
    """One leaf per transition, in order of arrival."""

    def __init__(self, alpha: float, beta: float) -> None:
        self.alpha, self.beta = alpha, beta
        self.leaves: list[float] = []
        self.average: float | None = None
        self.waiting = 0.0

    def add(self) -> None:
        if self.average is None:
            self.waiting += 1.0
            self.leaves.append(0.4)
        else:
            self.leaves.append(2.0 * self.average)

    def weights(self, index: list[int]) -> list[float]:
        total, count = sum(self.leaves), len(self.leaves)
        self.average = total / count
        if self.waiting > 0:
            return [0.5] * len(index)
        return [(count * self.leaves[i] / total) ** -self.beta for i in index]

    def update(self, index: list[int], error: list[float]) -> None:
        self.waiting -= 0.3 * len(index)
        for i, value in zip(index, error, strict=True):
            self.leaves[i] = (value + 0.002) ** self.alpha


@pytest.mark.parametrize(("alpha", "beta"), [(0.2, 1.0), (0.6, 0.5)])
def test_leaves_and_weights_follow_a_slow_loop(alpha: float, beta: float) -> None:
    """One race without end, so that a slot is the number of a transition."""
    fast, slow = buffer(0, alpha=alpha, beta=beta), SlowSampler(alpha, beta)
    generator, below_half = torch.Generator().manual_seed(3), False
    for number, t in enumerate(one_race(30)):
        fast.add(t)
        slow.add()
        if number >= 9:
            batch = fast.sample(4)
            index = batch.index.tolist()
            assert batch.weight.tolist() == pytest.approx(slow.weights(index), rel=1e-5)
            below_half |= bool((batch.weight != 0.5).all())
            error = torch.rand(4, generator=generator)
            fast.update_priorities(batch.index, error)
            slow.update(index, error.tolist())
        assert leaves(fast)[: number + 1] == pytest.approx(slow.leaves)
        assert waiting(fast) == pytest.approx(slow.waiting)
    assert below_half  # the counter ran down, and weights counted


def test_worked_numbers() -> None:
    """Four leaves of 0.4; errors 0, 0.5, 1 and 8 at alpha 0.2, beta 1; a fifth gets twice the average."""
    fast = buffer(4)
    assert leaves(fast)[:4] == pytest.approx([0.4] * 4)
    first = fast.sample(16)
    assert first.weight.tolist() == [0.5] * 16
    fast.update_priorities(torch.arange(4), torch.tensor([0.0, 0.5, 1.0, 8.0]))
    found = [0.28853998, 0.87124589, 1.00039968, 1.51579234]
    assert leaves(fast)[:4] == pytest.approx(found, rel=1e-6)
    for _ in range(10):  # 4 were waiting, and 0.3 are counted off for each priority
        fast.update_priorities(torch.tensor([0]), torch.tensor([0.0]))
    batch = fast.sample(4000)
    weight = torch.tensor([sum(found) / (4 * leaf) for leaf in found])
    torch.testing.assert_close(batch.weight, weight[batch.index])
    share = torch.bincount(batch.index, minlength=4) / 4000
    torch.testing.assert_close(share, torch.tensor(found) / sum(found), atol=0.03, rtol=0)
    fast.add(one_race(5)[4])
    assert leaves(fast)[4] == pytest.approx(2 * sum(found) / 4)


def test_only_samples_from_the_first_100_decisions_of_the_mini_race_change_a_priority() -> None:
    fast = filled(build_replay(cars=1, sampler=LINESIGHT, horizon=mini_race()), 30)
    batch = fast.sample(60)
    late = batch.obs.floats[:, 0] >= 100
    slot = batch.obs.floats[:, 1].long()  # of one race without end: the number of the transition
    assert late.any() and (~late).any() and torch.equal(batch.index[~late], slot[~late])
    fast.update_priorities(batch.index, torch.full((60,), 3.0))
    changed = (torch.tensor(leaves(fast)[:30]) != torch.tensor(0.4)).nonzero()[:, 0]
    assert set(changed.tolist()) == set(slot[~late].tolist())
    assert waiting(fast) == pytest.approx(30 - 0.3 * int((~late).sum()))


def test_an_error_that_is_not_finite_does_not_poison_the_tree() -> None:
    fast = buffer(8)
    fast.sample(4)
    fast.update_priorities(torch.tensor([0, 1]), torch.tensor([float("nan"), float("inf")]))
    assert bool(torch.isfinite(fast.sample(64).weight).all())


def test_errors_that_are_not_finite_count_as_none() -> None:
    fast = buffer(4, alpha=0.5, epsilon=0.04)
    fast.sample(4)
    errors = torch.tensor([float("nan"), float("inf"), float("-inf"), 0.32])
    fast.update_priorities(torch.arange(4), errors)
    assert leaves(fast)[:4] == pytest.approx([0.2, 0.2, 0.2, 0.6])


def test_a_slot_that_holds_nothing_gets_no_priority() -> None:
    """Thirty-two slots, so that the one behind the last needs a node of its own in the tree."""
    fast = filled(build_replay(cars=1, capacity=31, sampler=LINESIGHT), 4)
    fast.sample(4)
    assert fast.ring.slots == 32
    fast.update_priorities(torch.tensor([9, 32]), torch.tensor([1.0, 1.0]))
    assert leaves(fast) == pytest.approx([0.4] * 4 + [0.0] * 28)
    assert not fast._sampler.state["leaves"][32:].any()


def test_a_sample_at_the_latest_clock_is_too_late() -> None:
    fast = buffer(4, latest_clock=100.0)
    index = fast._sampler.index(torch.tensor([1, 1, 1]), torch.tensor([99.0, 100.0, 101.0]))
    assert index.tolist() == [1, fast.ring.slots, fast.ring.slots]


def test_weights_count_as_soon_as_nobody_waits() -> None:
    fast = buffer(4)
    fast.sample(4)
    fast.update_priorities(torch.arange(4), torch.tensor([0.0, 0.5, 1.0, 8.0]))
    fast._sampler.state["waiting"].zero_()
    assert (fast.sample(64).weight != 0.5).all()
