"""HL-Gauss against a slow loop with math.erf, and the quantile loss behind the same seam."""

from __future__ import annotations

import math

import pytest
import torch

from btr_tm.core.bins import Bins
from btr_tm.core.errors import UserError
from btr_tm.losses.quantile import pairwise_td, quantile_huber
from btr_tm.losses.value_loss import HlGauss, QuantileHuber

BINS = Bins(-1.0, 3.0, 8)  # half a unit wide


def slow_shares(mean: float, sigma: float) -> list[float]:
    """Each bin's part of the normal distribution that is cut off at the ends."""
    mean = min(max(mean, -1.0), 3.0)
    below = [0.5 * (1 + math.erf((-1 + k / 2 - mean) / (math.sqrt(2) * sigma))) for k in range(9)]
    return [(upper - lower) / (below[-1] - below[0]) for lower, upper in zip(below, below[1:], strict=False)]


@pytest.mark.parametrize("mean", [0.0, 0.13, 2.9, -1.0, -7.0, 50.0])
def test_shares_are_those_of_the_slow_loop(mean: float) -> None:
    shares = HlGauss(BINS, sigma=0.75).shares(torch.tensor([mean]))[0]
    assert shares.tolist() == pytest.approx(slow_shares(mean, 0.75 * 0.5), abs=1e-6)
    assert float(shares.sum()) == pytest.approx(1.0)


def test_targets_beyond_the_bins_are_counted() -> None:
    target = torch.tensor([-1.5, -1.0, 0.0, 3.0, 3.5])
    assert float(HlGauss(BINS, sigma=0.75).measure(target)["target_outside_bins"]) == pytest.approx(0.4)
    assert QuantileHuber(1.0).measure(target) == {}


def test_loss_is_the_cross_entropy_of_the_mean_target() -> None:
    outputs = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    target = torch.rand(5, 3, generator=torch.Generator().manual_seed(1)) * 3 - 0.5
    loss, td_abs = HlGauss(BINS, sigma=0.75)(outputs, target, torch.empty(5, 0))
    for row in range(5):
        logits = outputs[row].double().tolist()
        total = sum(math.exp(each) for each in logits)
        mean = float(target[row].mean())
        shares = slow_shares(mean, 0.375)
        expected = -sum(p * (each - math.log(total)) for p, each in zip(shares, logits, strict=True))
        assert float(loss[row]) == pytest.approx(expected, rel=1e-5)
        q = sum(math.exp(each) / total * (-0.75 + k / 2) for k, each in enumerate(logits))
        assert float(td_abs[row]) == pytest.approx(abs(mean - q), rel=1e-4)


def test_its_least_loss_is_at_the_mean_it_is_drawn_to() -> None:
    """Gradient descent on the logits brings the mean of the bins to the mean of the target."""
    outputs, target = torch.zeros(1, 8, requires_grad=True), torch.tensor([[0.4, 1.2]])
    law, optimizer = HlGauss(BINS, sigma=0.75), torch.optim.Adam([outputs], lr=0.1)
    for _ in range(400):
        optimizer.zero_grad()
        law(outputs, target, torch.empty(1, 0)).loss.sum().backward()
        optimizer.step()
    assert float(BINS.mean(outputs.detach())) == pytest.approx(0.8, abs=0.01)


def test_quantile_loss_is_the_one_of_the_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs, target = torch.randn(4, 3, generator=generator), torch.randn(4, 5, generator=generator)
    taus = torch.rand(4, 3, generator=generator)
    td = pairwise_td(outputs, target)
    loss, td_abs = QuantileHuber(0.1)(outputs, target, taus)
    assert torch.equal(loss, quantile_huber(td, taus, 0.1))
    assert torch.equal(td_abs, td.abs().sum(1).mean(1))


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Bins(1.0, 1.0, 8), "bins need low below high, got 1.0 and 1.0"),
        (lambda: Bins(0.0, 1.0, 1), "two bins are the least, got 1"),
        (lambda: HlGauss(BINS, 0.0), "sigma must be larger than 0, got 0.0"),
    ],
)
def test_bins_that_hold_nothing_are_refused(build, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        build()
