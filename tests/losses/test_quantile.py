"""Quantile regression against worked numbers and slow loops."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.losses.quantile import draw_taus, fixed_taus, pairwise_td, quantile_huber, refuse_odd


def slow_quantile_huber(prediction, target, taus, kappa):
    """The double sum as it stands in the papers."""
    losses = []
    for row in range(len(prediction)):
        total = 0.0
        for theta, tau in zip(prediction[row].tolist(), taus[row].tolist(), strict=True):
            inner = 0.0
            for y in target[row].tolist():
                delta = y - theta
                huber = 0.5 * delta**2 if abs(delta) < kappa else kappa * (abs(delta) - 0.5 * kappa)
                inner += abs(tau - float(delta < 0)) * huber / kappa
            total += inner / target.shape[1]
        losses.append(total)
    return torch.tensor(losses, dtype=torch.float64)


def test_worked_example_of_loss_priority_and_gradient() -> None:
    theta = torch.tensor([[0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    taus = torch.tensor([[0.25, 0.75]], dtype=torch.float64)
    td = pairwise_td(theta, torch.tensor([[0.5, 2.5]], dtype=torch.float64))
    assert td.tolist() == [[[0.5, 2.5], [-0.5, 1.5]]]
    loss = quantile_huber(td, taus, 1.0)
    loss.sum().backward()
    assert loss.item() == pytest.approx(0.65625)
    assert td.abs().sum(1).mean(1).item() == pytest.approx(2.5)
    assert theta.grad.tolist() == [[pytest.approx(-0.1875), pytest.approx(-0.3125)]]


def test_worked_example_behind_the_munchausen_target() -> None:
    theta = torch.tensor([[0.2, 0.9]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[1.3362591963, 1.6335672882]], dtype=torch.float64)
    td = pairwise_td(theta, target)
    loss = quantile_huber(td, torch.tensor([[0.25, 0.75]], dtype=torch.float64), 1.0)
    loss.sum().backward()
    assert loss.item() == pytest.approx(0.3328113864, abs=1e-8)
    assert td.abs().sum(1).mean(1).item() == pytest.approx(1.8698264945, abs=1e-7)
    assert theta.grad.tolist() == [[pytest.approx(-0.25), pytest.approx(-0.4386849355, abs=1e-8)]]


@pytest.mark.parametrize("kappa", [1.0, 0.005, 3.0])
def test_loss_equals_the_slow_double_sum(kappa: float) -> None:
    generator = torch.Generator().manual_seed(0)
    prediction = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    target = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    taus = torch.rand(5, 4, generator=generator, dtype=torch.float64)
    fast = quantile_huber(pairwise_td(prediction, target), taus, kappa)
    torch.testing.assert_close(fast, slow_quantile_huber(prediction, target, taus, kappa))


def test_symmetric_taus_are_stratified_and_mirrored() -> None:
    taus = draw_taus(1000, 8, torch.Generator().manual_seed(0), symmetric=True)
    torch.testing.assert_close(taus[:, :4] + taus[:, 4:], torch.ones(1000, 4))
    slices = (taus * 8).floor()
    assert (slices[:, :4] == torch.arange(4)).all()
    assert taus.min() > 0 and taus.max() < 1


def test_independent_taus_are_uniform() -> None:
    taus = draw_taus(20_000, 2, torch.Generator().manual_seed(0))
    assert taus.mean().item() == pytest.approx(0.5, abs=0.01)
    assert taus.var().item() == pytest.approx(1 / 12, abs=0.01)
    assert torch.corrcoef(taus.T)[0, 1].abs() < 0.03


def test_fixed_taus_are_midpoints() -> None:
    assert fixed_taus(4).tolist() == [0.125, 0.375, 0.625, 0.875]


def test_quantile_regression_recovers_a_known_distribution() -> None:
    """Free quantiles at fixed fractions of an exponential distribution, -log(1 - tau)."""
    generator = torch.Generator().manual_seed(0)
    taus = fixed_taus(8)
    quantiles = torch.zeros(8, requires_grad=True)
    optimizer = torch.optim.Adam([quantiles], lr=0.02)
    for step in range(600):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 600)
        samples = -torch.log(1 - torch.rand(1, 512, generator=generator))
        td = pairwise_td(quantiles[None], samples)
        optimizer.zero_grad()
        quantile_huber(td, taus[None], kappa=0.01).sum().backward()
        optimizer.step()
    torch.testing.assert_close(quantiles.detach(), -torch.log(1 - taus), atol=0.08, rtol=0.0)


def test_symmetric_taus_follow_linesights_law_draw_by_draw() -> None:
    """Block k of the first half is (k + U) / n, block n / 2 + k is 1 minus block k."""
    rows, count = 5, 6
    taus = draw_taus(rows, count, torch.Generator().manual_seed(3), symmetric=True)
    draws = torch.rand(rows, count // 2, generator=torch.Generator().manual_seed(3))
    for row in range(rows):
        for k in range(count // 2):
            low = (k + draws[row, k].item()) / count
            assert taus[row, k].item() == pytest.approx(low)
            assert taus[row, count // 2 + k].item() == pytest.approx(1 - low)


def test_an_odd_number_of_mirrored_fractions_is_refused_and_of_others_is_not() -> None:
    with pytest.raises(UserError, match="taus must be even, .* got 3"):
        refuse_odd("taus", 3, symmetric=True)
    refuse_odd("taus", 3, symmetric=False)
    refuse_odd("taus", 4, symmetric=True)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_generators_seed_decides_the_fractions(symmetric: bool) -> None:
    first, again = (draw_taus(3, 4, torch.Generator().manual_seed(7), symmetric) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, draw_taus(3, 4, torch.Generator().manual_seed(8), symmetric))


def test_fixed_taus_live_where_they_are_asked_for() -> None:
    assert fixed_taus(4, "meta").device.type == "meta"
