"""The whole network: published sizes, the base written down a second time, shapes, determinism."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Obs
from btr_tm.nets.encoder.impala import ImpalaBody
from btr_tm.nets.encoder.norm import SpectralNorm
from btr_tm.nets.encoder.pool import AdaptiveMaxPool
from btr_tm.nets.fusion import cosine_features
from btr_tm.nets.iqn import IQN
from btr_tm.nets.layers import LayerNorm
from btr_tm.nets.values import Quantiles

from .helpers import ALL_OFF, ALL_ON, dueling, network, noisy, observations

SEED_PAGE = {
    "body": ImpalaBody(2.0),
    "pool": AdaptiveMaxPool(6),
    "norm": SpectralNorm("all"),
    "layer": LayerNorm(),
    "linear": noisy(last_value="plain"),
}


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def published(
    previous_actions: int = 5, hidden: int = 512, cosines: int = 128, image=(1, 64, 64), on=()
) -> int:
    parts = {key: SEED_PAGE[key] for key in on}
    layout = FloatLayout.full(previous_actions=previous_actions)
    return count(network(image, layout, hidden=hidden, cosines=cosines, float_hidden=256, **parts))


@pytest.mark.parametrize(
    ("on", "small", "large"),
    [
        ((), 1_051_805, 6_955_165),
        (("pool",), 1_789_725, 1_789_725),
        (("body",), 5_526_861, 22_941_773),
        (("body", "pool"), 3_460_685, 3_460_685),
        (("layer",), 1_054_877, 6_958_237),
        (("linear",), 1_845_417, 12_991_657),
        (("norm",), 1_051_805, 6_955_165),
        (tuple(SEED_PAGE), 6_092_377, 6_092_377),
    ],
)
def test_parameter_counts_are_the_published_ones(on, small: int, large: int, monkeypatch) -> None:
    monkeypatch.setattr("btr_tm.nets.network.initialise", lambda *_: None)  # counting needs no weights
    assert published(on=on) == small
    assert published(on=on, image=(1, 120, 160)) == large


def test_parameter_counts_with_25_previous_actions_are_the_published_ones(monkeypatch) -> None:
    monkeypatch.setattr("btr_tm.nets.network.initialise", lambda *_: None)
    assert published(25) == 1_072_285
    assert published(25, on=SEED_PAGE) == 6_112_857
    assert published(hidden=256, cosines=64) == 605_597
    assert published(hidden=256, cosines=64, on=SEED_PAGE) == 3_298_649
    assert published(25, hidden=256, cosines=64, on=SEED_PAGE) == 3_319_129
    assert published(cosines=64, image=(1, 120, 160)) == 6_578_333  # upstream Linesight


@pytest.mark.parametrize(
    ("image", "actions", "without_sigma", "trainable"),
    [((4, 84, 84), 18, 2_908_851, 5_278_918), ((1, 64, 64), 12, 2_904_909, 5_271_898)],
)
def test_parameter_counts_of_the_btr_paper(image, actions, without_sigma, trainable, monkeypatch) -> None:
    monkeypatch.setattr("btr_tm.nets.network.initialise", lambda *_: None)
    net = network(
        image, FloatLayout.generic(0), actions, hidden=512, values=Quantiles(64, 0),
        body=ImpalaBody(2.0), norm=SpectralNorm("residual"), pool=AdaptiveMaxPool(6), linear=noisy(),
    )  # fmt: skip
    sigma = sum(p.numel() for name, p in net.named_parameters() if name.endswith("sigma"))
    assert count(net) == trainable
    assert count(net) - sigma == without_sigma


class WrittenAgain(nn.Module):
    """The IQN base as its specification reads, in the plainest torch."""

    def __init__(
        self, floats: int, actions: int, hidden: int, cosines: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        lrelu = nn.LeakyReLU
        self.image = nn.Sequential(
            nn.Conv2d(1, 16, 4, 2), lrelu(), nn.Conv2d(16, 32, 4, 2), lrelu(),
            nn.Conv2d(32, 64, 3, 2), lrelu(), nn.Conv2d(64, 32, 3, 1), lrelu(), nn.Flatten(),
        )  # fmt: skip
        self.floats = nn.Sequential(nn.Linear(floats, 8), lrelu(), nn.Linear(8, 8), lrelu())
        features = 32 + 8
        self.embedding = nn.Linear(cosines, features)
        self.a = nn.Sequential(nn.Linear(features, hidden), lrelu(), nn.Linear(hidden, actions))
        self.v = nn.Sequential(nn.Linear(features, hidden), lrelu(), nn.Linear(hidden, 1))
        self.cosines = cosines
        gain = math.sqrt(2 / (1 + 0.01**2))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                last = layer in (self.a[2], self.v[2])
                scale = 1.0 if last else gain * (math.sqrt(2) if layer is self.embedding else 1.0)
                nn.init.orthogonal_(layer.weight, gain=scale, generator=generator)
                nn.init.zeros_(layer.bias)

    def forward(self, obs, taus):
        x = torch.cat([self.image((obs.image.float() - 128) / 128), self.floats(obs.floats)], 1)
        columns = []
        for j in range(taus.shape[1]):
            cosines = [torch.cos(math.pi * i * taus[:, j]) for i in range(1, self.cosines + 1)]
            y = x * nn.functional.leaky_relu(self.embedding(torch.stack(cosines, 1)))
            a = self.a(y)
            columns.append(self.v(y) + a - a.mean(1, keepdim=True))
        return torch.stack(columns, 1)


def test_with_every_ingredient_off_the_network_is_the_base_weight_for_weight() -> None:
    net = network(**ALL_OFF, seed=7)
    again = WrittenAgain(5, 12, 16, 8, torch.Generator().manual_seed(7))
    ours, theirs = list(net.parameters()), list(again.parameters())
    assert len(ours) == len(theirs)
    for mine, reference in zip(ours, theirs, strict=True):
        assert torch.equal(mine, reference)
    obs, taus = observations(4), torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(net(obs, taus), again(obs, taus), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON], ids=["all off", "all on"])
@pytest.mark.parametrize("image_shape", [(1, 36, 36), (3, 40, 36), (1, 0, 0)])
def test_any_mix_of_image_and_floats_gives_quantiles(parts, image_shape) -> None:
    for floats in (0, 5):
        if floats == 0 and image_shape[1] == 0:
            continue
        net = network(image_shape, FloatLayout.generic(floats), 4, **parts)
        q = net(observations(3, image_shape, floats), torch.rand(3, 6))
        assert q.shape == (3, 6, 4) and q.dtype == torch.float32


def test_a_network_without_any_input_is_refused() -> None:
    with pytest.raises(UserError, match="got neither"):
        network((1, 0, 0), FloatLayout.generic(0))


@pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON], ids=["all off", "all on"])
def test_equal_seeds_give_equal_networks(parts) -> None:
    state, again = network(seed=3, **parts).state_dict(), network(seed=3, **parts).state_dict()
    assert all(torch.equal(state[key], again[key]) for key in state)


@pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON], ids=["all off", "all on"])
def test_bf16_changes_values_and_gradients_little(parts) -> None:
    exact, reduced = network(**parts), network(**parts, precision="bf16")
    obs, taus = observations(16), torch.rand(16, 8, generator=torch.Generator().manual_seed(0))
    assert reduced(obs, taus).dtype == torch.float32
    torch.testing.assert_close(reduced(obs, taus), exact(obs, taus), atol=0.02, rtol=0.02)
    gradients = [gradient_of(net, obs, taus) for net in (exact, reduced)]
    assert torch.cosine_similarity(*gradients, dim=0) > 0.995


def test_bf16_keeps_every_digit_of_the_last_layers() -> None:
    net = network(**ALL_ON, precision="bf16")
    seen = []
    for layer in net.last_layers():
        layer.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0].dtype, output.dtype)))
    net(observations(2), torch.rand(2, 4))
    assert seen == [(torch.float32, torch.float32)] * 2


def gradient_of(net: IQN, obs: Obs, taus: torch.Tensor) -> torch.Tensor:
    """Of the sum of squares of all quantiles, flat."""
    net(obs, taus).square().sum().backward()
    return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


def test_auto_is_bf16_only_where_it_is_native(monkeypatch) -> None:
    from btr_tm.nets import precision

    for known, expected in (({"avx512_bf16": True}, "bf16"), ({"avx512_bf16": False}, "fp32"), ({}, "fp32")):
        precision._multiplies_bf16.cache_clear()
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda known=known: known)
        assert precision.resolved("auto", "cpu") == expected
        assert precision.resolved("fp32", "cpu") == "fp32"
    assert precision.resolved("auto", "mps") == "fp32"
    precision._multiplies_bf16.cache_clear()


def test_noise_can_be_drawn_and_disabled() -> None:
    net, obs, taus = network(**ALL_ON), observations(2), torch.rand(2, 4)
    quiet = net(obs, taus)
    net.reset_noise(torch.Generator().manual_seed(0))
    assert net.noisy and not torch.equal(net(obs, taus), quiet)
    net.disable_noise()
    assert torch.equal(net(obs, taus), quiet)
    assert not network(**ALL_OFF).noisy


def test_dueling_head_subtracts_the_mean_advantage() -> None:
    head = dueling(3, 3, hidden=2)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.value_out.bias.fill_(2.0)
        head.advantage_out.bias.copy_(torch.tensor([1.0, 2.0, 6.0]))
    assert head(torch.ones(1, 3)).tolist() == [[0.0, 1.0, 5.0]]


def test_cosines_give_the_worked_numbers() -> None:
    expected = torch.tensor([[[1.0, 0.70710678, 0.0, -0.70710678, -1.0]]])
    torch.testing.assert_close(cosine_features(torch.tensor([[0.25]]), 5, 0), expected, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(
        cosine_features(torch.tensor([[0.25]]), 4, 1), expected[..., 1:], atol=1e-6, rtol=0.0
    )


def test_layer_norm_stands_in_float_head_and_both_streams_only() -> None:
    net = network(layer=LayerNorm())
    norms = [name for name, module in net.named_modules() if isinstance(module, nn.LayerNorm)]
    assert norms == ["float_head.layers.1", "float_head.layers.4", "head.advantage.1", "head.value.1"]


@pytest.mark.parametrize("draw", ["batch", "sample"])
def test_a_net_whose_weights_do_not_change_computes_the_same_and_follows_them_again_afterwards(draw) -> None:
    net = network(**(ALL_ON | {"linear": noisy(draw=draw)}))
    obs, taus, generator = observations(2), torch.rand(2, 4), torch.Generator()
    quiet = net(obs, taus)
    net.reset_noise(generator.manual_seed(0))
    loud = net(obs, taus)
    with torch.inference_mode(), net.unchanged():
        assert torch.equal(net(obs, taus), quiet)
        net.disable_noise()
        assert torch.equal(net(obs, taus), quiet)
        net.reset_noise(generator.manual_seed(0))
        assert torch.equal(net(obs, taus), loud)
    net.disable_noise()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.1)
    changed = net(obs, taus)
    assert not torch.equal(changed, quiet)
    changed.sum().backward()
    assert all(
        parameter.grad is not None for name, parameter in net.named_parameters() if "sigma" not in name
    )
    with net.unchanged():
        assert torch.equal(net(obs, taus), changed)
