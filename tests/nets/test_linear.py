"""Noisy layers against worked numbers and moments."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from btr_tm.nets.linear import Linear, NoisyLinear, Plain

from .helpers import initialised, noisy, noisy_layer


def worked_layer() -> NoisyLinear:
    """The example: e_in (0.25, -1), e_out (4, -0.09, 0) after f(e) = sign(e) sqrt|e|."""
    layer = initialised(noisy_layer(2, 3))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.1, 0.2], [0.3, -0.1], [0.0, 0.5]]))
        layer.bias.copy_(torch.tensor([0.01, 0.02, 0.03]))
    layer.noise_in.copy_(torch.tensor([0.5, -1.0]))
    layer.noise_out.copy_(torch.tensor([2.0, -0.3, 0.0]))
    return layer


def test_noisy_layer_gives_the_worked_numbers_with_and_without_noise() -> None:
    layer, x = worked_layer(), torch.tensor([[1.0, 2.0]])
    assert layer.weight_sigma.unique().item() == pytest.approx(0.3535533906)
    noisy = torch.tensor([[0.15644661, 0.17303301, 1.03]])
    torch.testing.assert_close(layer(x).detach(), noisy, atol=1e-6, rtol=0.0)
    layer.disable_noise()
    torch.testing.assert_close(layer(x).detach(), torch.tensor([[0.51, 0.12, 1.03]]), atol=1e-6, rtol=0.0)


def test_noise_has_the_moments_of_the_signed_root_of_a_gaussian() -> None:
    layer = noisy_layer(20_000, 20_000 // 100)
    layer.reset_noise(torch.Generator().manual_seed(0))
    f = layer.noise_in
    assert f.mean().item() == pytest.approx(0.0, abs=0.02)
    assert f.square().mean().item() == pytest.approx(math.sqrt(2 / math.pi), abs=0.02)
    assert f.pow(4).mean().item() == pytest.approx(1.0, abs=0.05)
    weights = torch.outer(layer.noise_out, f)
    # the outer product of 200 and 20,000 draws: the short side decides the precision
    assert weights.var().item() == pytest.approx(2 / math.pi, rel=0.2)


def test_each_draw_differs_and_equal_seeds_agree() -> None:
    layer = noisy_layer(8, 8)
    draws = []
    for seed in (1, 1, 2):
        layer.reset_noise(torch.Generator().manual_seed(seed))
        draws.append(layer.noise_in.clone())
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize(("inputs", "sigma"), [(2304, 0.0104166667), (512, 0.0220970869)])
def test_initial_parameters_depend_on_the_number_of_inputs(inputs: int, sigma: float) -> None:
    layer = initialised(noisy_layer(inputs, 16))
    assert layer.weight_sigma[0, 0].item() == pytest.approx(sigma)
    assert layer.bias_sigma[0].item() == pytest.approx(sigma)
    bound = 1 / math.sqrt(inputs)
    assert layer.weight.abs().max() <= bound and layer.weight.abs().max() > 0.95 * bound


def test_noise_reaches_the_gradient_of_sigma_only_when_present() -> None:
    layer = worked_layer()
    layer(torch.ones(1, 2)).sum().backward()
    assert layer.weight_sigma.grad.abs().sum() > 0
    layer.zero_grad()
    layer.disable_noise()
    layer(torch.ones(1, 2)).sum().backward()
    assert layer.weight_sigma.grad.abs().sum() == 0


def test_builders_choose_the_layer_by_its_role() -> None:
    assert isinstance(Plain()(4, 2, "value"), Linear)
    assert Plain()(4, 2, "advantage").gain == 1.0
    assert isinstance(noisy(sigma0=0.3)(4, 1, "value"), NoisyLinear)
    assert noisy(sigma0=0.3)(4, 2, "hidden").sigma0 == 0.3
    seed_page = noisy(last_value="plain")
    assert isinstance(seed_page(4, 1, "value"), Linear)
    assert isinstance(seed_page(4, 12, "advantage"), NoisyLinear)


def test_plain_layers_start_orthogonal_with_zero_bias() -> None:
    layer = initialised(Plain()(32, 16, "hidden"))
    gain_squared = 2 / (1 + 0.01**2)
    torch.testing.assert_close(
        (layer.weight @ layer.weight.T).detach(), gain_squared * torch.eye(16), atol=1e-5, rtol=0.0
    )
    assert isinstance(layer, nn.Linear) and (layer.bias == 0).all()
