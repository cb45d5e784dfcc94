"""Details of the network on which paper, code and published run differ: pixels, activation, weights."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn

from btr_tm.core.floats import FloatLayout
from btr_tm.nets.backbone import NoBackbone
from btr_tm.nets.encoder.cnn import CnnBody
from btr_tm.nets.encoder.impala import ImpalaBody
from btr_tm.nets.encoder.pool import GlobalAveragePool
from btr_tm.nets.iqn import IQN
from btr_tm.nets.layers import LeakyRelu, NoNorm, Orthogonal, Relu, TorchDefault
from btr_tm.nets.linear import Linear
from btr_tm.nets.pixels import Centred, Unit
from btr_tm.nets.state_fusion import Concat
from btr_tm.nets.values import Quantiles

from .helpers import CNN, ORTHOGONAL, dueling, encoder_of, initialised, noisy, noisy_layer


def every_byte() -> torch.Tensor:
    return torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


@pytest.mark.parametrize(
    ("pixels", "formula"),
    [(Centred(), lambda x: (x - 128) / 128), (Unit(), lambda x: x / 255)],
    ids=["centred", "unit"],
)
def test_every_byte_is_scaled_by_the_formula(pixels, formula) -> None:
    expected = formula(every_byte().double()).float()
    torch.testing.assert_close(pixels(every_byte()), expected, atol=1e-7, rtol=0.0)


def test_the_encoder_sees_what_the_scaling_makes_of_pixels() -> None:
    seen = []

    def body(channels: int) -> nn.Module:
        net = nn.Identity()
        net.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
        return net

    body.smallest_image = 1
    encoder_of((1, 16, 16), body, pixels=Unit())(every_byte())
    assert seen[-1].min() == 0 and seen[-1].max() == pytest.approx(1.0)


def small(activation, weights=ORTHOGONAL) -> IQN:
    encoder = partial(encoder_of, body=CnnBody(activation))
    head = partial(dueling, hidden=8, activation=activation)
    generator, layout = torch.Generator().manual_seed(0), FloatLayout.generic(3)
    return IQN(
        (1, 36, 36), layout, 4, encoder, head, generator, values=Quantiles(4, 1), float_hidden=8,
        state_fusion=Concat, backbone=NoBackbone(),
        float_norm=NoNorm(), activation=activation, weights=weights, precision="fp32", block=(),
        device=torch.device("cpu"),
    )  # fmt: skip


@pytest.mark.parametrize(("activation", "kind"), [(LeakyRelu(), nn.LeakyReLU), (Relu(), nn.ReLU)])
def test_one_activation_stands_everywhere_outside_impala(activation, kind) -> None:
    found = [module for module in small(activation).modules() if isinstance(module, nn.LeakyReLU | nn.ReLU)]
    assert len(found) == 4 + 2 + 1 + 2  # convolutions, floats, fractions, two streams
    assert all(type(module) is kind for module in found)


def test_impala_is_relu_whatever_the_rest_is() -> None:
    assert not [m for m in ImpalaBody(0.25)(1).modules() if isinstance(m, nn.LeakyReLU)]


@pytest.mark.parametrize("layer", [Linear(50, 400), CNN(4)[4]], ids=["linear", "convolution"])
def test_torchs_own_weights_are_uniform_within_the_root_of_the_inputs(layer) -> None:
    initialised(layer, weights=TorchDefault())
    bound = 1 / math.sqrt(layer.weight[0].numel())
    again = type(layer)(50, 400) if isinstance(layer, Linear) else nn.Conv2d(32, 64, 3)
    for ours, theirs in ((layer.weight, again.weight), (layer.bias, again.bias)):
        assert 0.9 * bound < ours.abs().max() <= bound >= theirs.abs().max()
        assert ours.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.15)


def test_the_rule_for_weights_reaches_every_layer_and_spares_noisy_ones() -> None:
    net = small(LeakyRelu(), TorchDefault())
    plain = [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert len(plain) == 4 + 2 + 1 + 4
    assert all(layer.bias.abs().max() > 0 for layer in plain)
    drawn = []
    for weights in (Orthogonal(), TorchDefault()):
        layer = initialised(noisy_layer(6, 5), weights=weights)
        drawn.append(layer.weight.detach())
    assert torch.equal(*drawn)


def test_orthogonal_gains_are_those_of_the_published_runs() -> None:
    net = small(LeakyRelu())
    gain = math.sqrt(2 / (1 + 0.01**2))
    for layer, expected in (
        (net.float_head.layers[0], gain),
        (net.fusion.embedding, math.sqrt(2) * gain),
        (net.head.advantage[0], gain),
        (net.head.advantage_out, 1.0),
        (net.head.value_out, 1.0),
    ):
        singular = torch.linalg.svdvals(layer.weight)
        torch.testing.assert_close(singular, torch.full_like(singular, expected), atol=1e-5, rtol=0.0)
        assert not layer.bias.any()


@pytest.mark.parametrize(("bias_sigma", "fan"), [("inputs", 9), ("outputs", 25)])
def test_noise_of_the_bias_starts_at_the_root_of_either_fan(bias_sigma, fan: int) -> None:
    layer = initialised(noisy(bias_sigma=bias_sigma)(9, 25, "hidden"))
    torch.testing.assert_close(layer.weight_sigma, torch.full((25, 9), 0.5 / 3))
    torch.testing.assert_close(layer.bias_sigma, torch.full((25,), 0.5 / math.sqrt(fan)))


def test_global_average_pooling_is_the_mean_of_each_channel() -> None:
    images = torch.randint(0, 256, (3, 1, 40, 56), dtype=torch.uint8)
    bodies = []
    for pool in (GlobalAveragePool(), nn.Identity):
        bodies.append(initialised(encoder_of((1, 40, 56), ImpalaBody(0.25), pool=pool)))
    averaged, flat = bodies
    assert averaged.out_features == 8
    maps = flat(images).unflatten(1, (8, -1)).double()
    torch.testing.assert_close(averaged(images).double(), maps.mean(2), atol=1e-6, rtol=1e-5)
