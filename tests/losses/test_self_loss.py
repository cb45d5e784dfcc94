"""Self-loss normalisation against a slow loop in float64."""

from __future__ import annotations

import math

import pytest
import torch

from btr_tm.losses.self_loss import NormalisedSelfLoss, NoSelfLoss

CPU, KAPPA = torch.device("cpu"), 0.005


def linesight() -> NormalisedSelfLoss:
    return NormalisedSelfLoss(CPU, clamp_ratio=4.0, decay=0.99, initial=0.01, kappa=KAPPA)


def slow_width(quantiles: list[float], taus: list[float], kappa: float) -> float:
    total = 0.0
    for theta, tau in zip(quantiles, taus, strict=True):
        for z in quantiles:
            delta = z - theta
            size = abs(delta)
            huber = 0.5 * delta**2 / kappa if size < kappa else size - 0.5 * kappa
            total += (tau if delta >= 0 else 1 - tau) * huber / len(quantiles)
    return math.sqrt(total)


class SlowLoop:
    """The two running means, number by number."""

    def __init__(self) -> None:
        self.width = self.clamped = 0.01

    def factors(self, target: torch.Tensor, taus: torch.Tensor) -> list[float]:
        rows = zip(target.tolist(), taus.tolist(), strict=True)
        widths = [slow_width(quantiles, fractions, KAPPA) for quantiles, fractions in rows]
        self.width = 0.99 * self.width + 0.01 * sum(widths) / len(widths)
        clamped = [max(width, self.width / 4) for width in widths]
        self.clamped = 0.99 * self.clamped + 0.01 * sum(clamped) / len(clamped)
        return [self.clamped / each for each in clamped]


def batches(count: int, dtype=torch.float64):
    """Targets of very different widths, one of them certain (a finished race)."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        spread = torch.tensor([[0.0], [1e-3], [0.02], [1.0], [5.0]], dtype=dtype)
        target = 2.0 + spread * torch.randn(5, 6, generator=generator, dtype=dtype)
        yield target, torch.rand(5, 6, generator=generator, dtype=dtype)


def test_factors_over_many_updates_equal_the_slow_loop() -> None:
    law, slow = linesight(), SlowLoop()
    law.mean_width, law.mean_clamped = law.mean_width.double(), law.mean_clamped.double()
    for target, taus in batches(40):
        law.observe(target, taus)
        expected = torch.tensor(slow.factors(target, taus), dtype=torch.float64)
        torch.testing.assert_close(law.factor(target, taus), expected, rtol=1e-6, atol=0.0)
    assert law.mean_width.item() == pytest.approx(slow.width)
    assert law.mean_clamped.item() == pytest.approx(slow.clamped)


def test_a_certain_target_counts_at_most_by_the_clamp() -> None:
    law = linesight()
    certain, taus = torch.full((3, 4), 2.0), torch.rand(3, 4)
    law.observe(certain, taus)
    width, clamped = 0.99 * 0.01, 0.99 * 0.01 + 0.01 * (0.99 * 0.01 / 4)
    expected = torch.full((3,), clamped / (width / 4))
    torch.testing.assert_close(law.factor(certain, taus), expected)


def test_factors_carry_no_gradient_and_asking_changes_nothing() -> None:
    law = linesight()
    target, taus = next(batches(1, torch.float32))
    target.requires_grad_(True)
    before = {name: value.clone() for name, value in law.state_dict().items()}
    assert not law.factor(target, taus).requires_grad
    assert all(torch.equal(before[name], value) for name, value in law.state_dict().items())


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_batch_that_is_not_finite_leaves_the_means_as_they_are(poison: float) -> None:
    law = linesight()
    target, taus = next(batches(1, torch.float32))
    law.observe(target, taus)
    before = {name: value.clone() for name, value in law.state_dict().items()}
    target[2, 3] = poison
    law.observe(target, taus)
    assert all(torch.equal(before[name], value) for name, value in law.state_dict().items())


def test_saved_and_loaded_means_go_on_the_same() -> None:
    law, other = linesight(), linesight()
    first, second = batches(2, torch.float32)
    law.observe(*first)
    other.load_state_dict(law.state_dict())
    for each in (law, other):
        each.observe(*second)
    assert torch.equal(law.factor(*second), other.factor(*second))


def test_without_self_loss_every_sample_counts_once() -> None:
    target, taus = next(batches(1, torch.float32))
    law = NoSelfLoss(CPU)
    law.observe(target, taus)
    assert law.factor(target, taus).item() == 1.0 and law.state_dict() == {}
