"""Noise of each sample's own, against a weight matrix per sample."""

from __future__ import annotations

import pytest
import torch

from btr_tm.nets.linear import NoisyLinearPerSample

from .helpers import ALL_ON, PER_SAMPLE, initialised, network, noisy_layer, observations


def layer(inputs: int = 3, outputs: int = 2) -> NoisyLinearPerSample:
    return initialised(noisy_layer(inputs, outputs, NoisyLinearPerSample)).double()


def slow_forward(made: NoisyLinearPerSample, x: torch.Tensor, rows_each: int) -> torch.Tensor:
    noise_in, noise_out = made._drawn
    rows = []
    for row, features in enumerate(x):
        sample = row // rows_each
        result = []
        for o in range(made.outputs):
            total = made.bias[o] + made.bias_sigma[o] * noise_out[sample, o]
            for i in range(made.inputs):
                noise = noise_out[sample, o] * noise_in[sample, i]
                total = total + (made.weight[o, i] + made.weight_sigma[o, i] * noise) * features[i]
            result.append(total)
        rows.append(torch.stack(result))
    return torch.stack(rows)


@pytest.mark.parametrize("rows_each", [1, 4])
def test_forward_and_gradients_equal_a_weight_matrix_per_sample(rows_each: int) -> None:
    made = layer()
    made.reset_noise(torch.Generator().manual_seed(1), samples=5)
    made._drawn = made._chosen = tuple(noise.double() for noise in made._drawn)
    x = torch.randn(5 * rows_each, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    results = []
    for forward in (made, lambda x: slow_forward(made, x, rows_each)):
        made.zero_grad()
        y = forward(x)
        y.square().sum().backward()
        results.append([y.detach(), *(parameter.grad.clone() for parameter in made.parameters())])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow)


def test_rows_of_one_sample_share_their_noise_and_samples_do_not() -> None:
    made = layer()
    made.reset_noise(torch.Generator().manual_seed(1), samples=2)
    made._chosen = tuple(noise.double() for noise in made._chosen)
    y = made(torch.ones(6, 3, dtype=torch.float64))
    assert torch.equal(y[0], y[1]) and torch.equal(y[1], y[2]) and torch.equal(y[3], y[5])
    assert not torch.equal(y[2], y[3])


def test_each_sample_has_the_moments_of_factorised_noise() -> None:
    made = layer(40, 30)
    made.reset_noise(torch.Generator().manual_seed(0), samples=400)
    noise_in, noise_out = made._drawn
    assert noise_in.shape == (400, 40) and noise_out.shape == (400, 30)
    weights = noise_out[:, :, None] * noise_in[:, None, :]
    assert weights.mean().item() == pytest.approx(0.0, abs=0.01)
    assert weights.var().item() == pytest.approx(2 / torch.pi, rel=0.03)
    assert torch.corrcoef(noise_in)[0, 1].abs() < 0.5


def test_one_sample_equals_the_layer_with_one_draw_for_all() -> None:
    made, other = layer().float(), noisy_layer(3, 2)
    other.load_state_dict(made.state_dict())
    for each in (made, other):
        each.reset_noise(torch.Generator().manual_seed(1))
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(made(x), other(x))


def test_a_network_keeps_each_samples_noise_for_all_its_fractions() -> None:
    net = network(**PER_SAMPLE)
    obs, taus = observations(1), torch.rand(1, 4, generator=torch.Generator().manual_seed(3))
    twice = type(obs)(*(leaf.expand(2, *leaf.shape[1:]) for leaf in obs))
    net.reset_noise(torch.Generator().manual_seed(1), samples=2)
    both = net(twice, taus.expand(2, -1))
    assert not torch.allclose(both[0], both[1])
    for sample in range(2):
        net.select_noise(slice(sample, sample + 1))
        torch.testing.assert_close(net(obs, taus)[0], both[sample])
    net.select_noise(slice(None))
    torch.testing.assert_close(net(twice, taus.expand(2, -1)), both)
    net.disable_noise()
    assert torch.equal(*net(twice, taus.expand(2, -1)))


def test_noise_fits_the_samples_that_follow_and_is_kept_if_it_does() -> None:
    net, generator = network(**PER_SAMPLE), torch.Generator().manual_seed(1)
    drawn = net.head.advantage[0]
    net.reset_noise(generator, samples=3)
    kept = drawn._drawn[0]
    net.fit_noise(generator, 3)
    assert drawn._drawn[0] is kept
    net.fit_noise(generator, 5)
    assert len(drawn._drawn[0]) == 5
    net.disable_noise()
    net.fit_noise(generator, 4)
    assert drawn._drawn == ()


def test_the_state_is_that_of_the_layer_with_one_draw() -> None:
    ours, theirs = network(**PER_SAMPLE).state_dict(), network(**ALL_ON).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_number_of_samples_keeps_its_memory_whatever_is_drawn_in_between() -> None:
    """A CUDA graph that was captured for an update reads where the noise was then."""
    made = layer()
    generators = [torch.Generator().manual_seed(1) for _ in range(2)]
    made.reset_noise(generators[0], samples=5)
    addresses = [noise.data_ptr() for noise in made._drawn]
    for samples in (3, 5):  # a decision of three cars, then the next update
        made.disable_noise()
        made.reset_noise(generators[0], samples)
    assert [noise.data_ptr() for noise in made._chosen] == addresses
    for samples in (5, 3, 5):
        fresh = layer()  # has no memory yet
        fresh.reset_noise(generators[1], samples)
    assert all(torch.equal(a, b) for a, b in zip(made._drawn, fresh._drawn, strict=True))
