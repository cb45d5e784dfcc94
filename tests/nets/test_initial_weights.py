"""What weights are before the first update: seeds, laws, and the scale of the floats."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from btr_tm.core.floats import FloatLayout
from btr_tm.nets.encoder.conv import Conv
from btr_tm.nets.encoder.norm import SpectralNorm
from btr_tm.nets.fusion import cosine_features
from btr_tm.nets.layers import TorchDefault, initialise
from btr_tm.nets.linear import Linear, NoisyLinear, NoisyLinearPerSample

from .helpers import ALL_OFF, ALL_ON, network, observations


def drawn(layer: nn.Module, seed: int, weights=TorchDefault()) -> list[torch.Tensor]:  # noqa: B008
    initialise(layer, torch.Generator().manual_seed(seed), weights)
    return [parameter.detach().clone() for parameter in layer.parameters()]


@pytest.mark.parametrize("build", [lambda: Linear(9, 4), lambda: Conv(2, 3, 3)], ids=["linear", "conv"])
def test_the_seed_alone_decides_torchs_own_weights(build) -> None:
    first, again, other = drawn(build(), 1), drawn(build(), 1), drawn(build(), 2)
    for mine, same, different in zip(first, again, other, strict=True):
        assert torch.equal(mine, same) and not torch.equal(mine, different)


def test_a_convolution_without_bias_is_drawn_too() -> None:
    (kernel,) = drawn(Conv(2, 3, 3, bias=False), 1)
    assert kernel.abs().max() > 0


def test_biases_of_noisy_layers_fill_the_same_interval_as_their_weights() -> None:
    layer = NoisyLinear(16, 2000, 0.5, "inputs")
    bias = drawn(layer, 0)[1]
    bound = 1 / math.sqrt(16)
    assert 0.95 * bound < bias.max() <= bound and -bound <= bias.min() < -0.95 * bound


def test_both_kinds_of_noisy_layer_start_the_noise_of_the_bias_at_the_chosen_fan() -> None:
    for kind in (NoisyLinear, NoisyLinearPerSample):
        layer = kind(9, 25, 0.5, "outputs")
        drawn(layer, 0)
        torch.testing.assert_close(layer.bias_sigma.detach(), torch.full((25,), 0.1))


@pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON], ids=["all off", "all on"])
def test_a_network_drawn_anew_is_the_one_built_from_that_seed(parts) -> None:
    net, other = network(seed=1, **parts), network(seed=2, **parts)
    net.redraw(torch.Generator().manual_seed(2))
    for mine, theirs in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_network_passes_the_power_iteration_on_to_its_spectral_norm() -> None:
    net = network(**ALL_ON)
    with torch.no_grad():
        for parameter in net.encoder.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(parameter.numel()))
    before = [buffer.clone() for buffer in net.encoder.buffers()]
    net.power_iteration()
    assert not any(torch.equal(old, new) for old, new in zip(before, net.encoder.buffers(), strict=True))
    network(**ALL_OFF).power_iteration()


def test_the_first_estimate_of_the_spectral_norm_starts_from_random_vectors() -> None:
    """(1, 1) times this kernel is 0: an estimate that began there would never leave it."""

    def fill(layer: nn.Module, gain: float, generator: torch.Generator) -> None:
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).view(2, 2, 1, 1))

    part = SpectralNorm("all")(nn.Sequential(Conv(2, 2, 1)))
    initialise(part, torch.Generator().manual_seed(0), fill)
    (kernel,) = part.normalised().values()
    assert torch.linalg.svdvals(kernel.detach().flatten(1))[0].item() == pytest.approx(1.0)


def test_noise_for_one_sample_serves_any_number_of_rows() -> None:
    net = network(**ALL_ON | {"linear": per_sample})
    net.select_noise(slice(0, 1))  # nothing is drawn yet, and nothing happens
    net.reset_noise(torch.Generator().manual_seed(0))
    assert net(observations(3), torch.rand(3, 5)).isfinite().all()


def per_sample(inputs: int, outputs: int, role: str) -> nn.Module:
    return NoisyLinearPerSample(inputs, outputs, 0.5, "inputs")


def test_floats_are_measured_in_spreads_from_their_mean() -> None:
    layout = FloatLayout.full()
    head = network(layout=layout).float_head
    mean, std = (torch.tensor(figures) for figures in (layout.mean, layout.std))
    for spreads in (-1.0, 0.0, 2.0):
        expected = head.layers(torch.full((1, layout.size), spreads))
        torch.testing.assert_close(head((mean + spreads * std)[None]), expected, atol=1e-4, rtol=1e-4)


def test_cosines_have_the_precision_of_their_fractions() -> None:
    taus = torch.tensor([[0.1, 0.7]], dtype=torch.float64)
    slow = [[[math.cos(math.pi * i * tau) for i in range(1, 65)] for tau in taus[0].tolist()]]
    fast = cosine_features(taus, 64, 1)
    torch.testing.assert_close(fast, torch.tensor(slow, dtype=torch.float64), atol=1e-12, rtol=0.0)
