"""Figures about networks against worked numbers and slow loops."""

from __future__ import annotations

import math

import pytest
import torch

from btr_tm.metrics import analysis

SINGULAR = torch.tensor([10.0, 5.0, 1.0, 0.2, 0.05])
HIDDEN = torch.tensor([[1.0, 0.0, 0.05, 3.0], [3.0, 0.0, 0.05, 1.0]])  # two states, four units


def slow_dormant(hidden, threshold):
    """Definition 3.1 of Sokar et al. (2023), unit by unit."""
    sizes = [sum(abs(row[unit]) for row in hidden) / len(hidden) for unit in range(len(hidden[0]))]
    average = sum(sizes) / len(sizes)
    return sum(size / average <= threshold for size in sizes) / len(sizes)


@pytest.mark.parametrize(("threshold", "share"), [(0.1, 0.5), (0.025, 0.25), (0.0, 0.25)])
def test_dormant_share_of_the_worked_example(threshold, share):
    # scores 1.97530864, 0, 0.04938272, 1.97530864
    assert analysis.dormant_share(HIDDEN.abs().mean(0), threshold) == share
    assert slow_dormant(HIDDEN.tolist(), threshold) == share


def test_dormant_share_matches_a_slow_loop_on_random_activations():
    hidden = torch.randn(50, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).relu()
    hidden[:, :20] *= torch.logspace(-4, 0, 20)
    for threshold in (0.1, 0.025, 0.0):
        expected = slow_dormant(hidden.tolist(), threshold)
        assert float(analysis.dormant_share(hidden.abs().mean(0), threshold)) == pytest.approx(expected)


def test_every_unit_of_a_silent_layer_is_dormant():
    assert analysis.dormant_share(torch.zeros(7), 0.0) == 1.0


def test_ranks_of_the_worked_example():
    assert analysis.srank(SINGULAR) == 4
    assert float(analysis.effective_rank(SINGULAR)) == pytest.approx(2.47176, abs=5e-6)


def test_ranks_match_slow_sums():
    singular = torch.rand(30, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).sort(
        descending=True
    )
    values = singular.values.tolist()
    total, running, k = sum(values), 0.0, 0
    while running / total < 0.99:
        running, k = running + values[k], k + 1
    assert int(analysis.srank(singular.values)) == k
    entropy = -sum(v / total * math.log(v / total) for v in values)
    assert float(analysis.effective_rank(singular.values)) == pytest.approx(math.exp(entropy))


def test_ranks_of_equal_and_of_single_directions():
    assert analysis.srank(torch.ones(100)) == 99 and analysis.srank(torch.tensor([3.0, 0.0])) == 1
    assert float(analysis.effective_rank(torch.ones(8))) == pytest.approx(8.0)
    assert float(analysis.effective_rank(torch.tensor([3.0, 0.0]))) == pytest.approx(1.0)


def test_churn_gaps_and_swaps_match_a_slow_loop():
    draw = torch.Generator().manual_seed(2)
    before, after = (torch.randn(20, 5, generator=draw, dtype=torch.float64) for _ in range(2))
    rows = list(zip(before.tolist(), after.tolist(), strict=True))
    changed = sum(b.index(max(b)) != a.index(max(a)) for b, a in rows) / 20
    assert float(analysis.churn(before, after)) == pytest.approx(changed)
    lead = sum(sorted(b)[-1] - sorted(b)[-2] for b, _ in rows) / 20
    assert float(analysis.action_gap(before)) == pytest.approx(lead)
    below = sum(max(b) - q for b, _ in rows for q in b) / 100
    assert float(analysis.mean_gap(before)) == pytest.approx(below)
    actions = torch.tensor([1, 1, 2, 2, 2, 0])
    assert float(analysis.swaps(actions)) == pytest.approx(2 / 5)
    assert analysis.action_gap(before[:, :1]) == 0.0


def test_largest_singular_value_of_the_worked_example():
    kernel = torch.tensor([[3.0, 0.0], [4.0, 5.0]]).reshape(2, 2, 1, 1)
    assert float(analysis.largest_singular_value(kernel)) == pytest.approx(6.7082039325)


def test_norms_are_those_of_the_formula():
    tensors = [torch.tensor([3.0, 4.0]), torch.tensor([[1.0], [1.0], [1.0], [1.0]])]
    assert [float(norm) for norm in analysis.l2(tensors)] == [5.0, 2.0]
    assert [float(value) for value in analysis.rms(tensors)] == pytest.approx([5 / math.sqrt(2), 1.0])


def test_leading_dimensions_of_values_are_averaged_over():
    draw = torch.Generator().manual_seed(3)
    before, after = (torch.randn(6, 7, 4, generator=draw) for _ in range(2))
    rows, other = before.reshape(42, 4), after.reshape(42, 4)
    assert analysis.churn(before, after) == analysis.churn(rows, other)
    assert float(analysis.action_gap(before)) == pytest.approx(float(analysis.action_gap(rows)))
    assert float(analysis.mean_gap(before)) == pytest.approx(float(analysis.mean_gap(rows)))
    assert analysis.action_gap(before[..., :1]) == 0.0


def slow_return(rewards, potentials, gamma, first, decisions):
    """Shaped reward by shaped reward; the potential at a horizon counts as 0, as if the race ended there."""
    total, last = 0.0, min(len(rewards), first + decisions)
    for decision in range(first, last):
        ends = decision + 1 == first + decisions
        after = 0.0 if ends else potentials[decision + 1]
        total += gamma ** (decision - first) * (rewards[decision] + gamma * after - potentials[decision])
    return total


@pytest.mark.parametrize("decisions", [1, 5, 19, 20, 50, math.inf])
@pytest.mark.parametrize(("gamma", "finished"), [(0.97, True), (0.9, False), (1.0, True)])
def test_driven_returns_match_a_slow_loop(decisions, gamma, finished):
    draw = torch.Generator().manual_seed(1)
    rewards, potentials = torch.randn(20, generator=draw), torch.randn(21, generator=draw)
    potentials[-1] = 0.0 if finished else potentials[-1]
    expected = [
        slow_return(rewards.tolist(), potentials.tolist(), gamma, first, decisions) for first in range(20)
    ]
    found = analysis.driven_returns(rewards, potentials, gamma, decisions)
    assert found.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-5)
