"""Where picture and floats meet: against closed forms, and through the whole network."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.nets.backbone import SharedBackbone
from btr_tm.nets.layers import LayerNorm, LeakyRelu
from btr_tm.nets.state_fusion import Concat, Film, PatchTransformer

from .helpers import ALL_ON, network, noisy, observations

TRANSFORMER = partial(PatchTransformer, width=8, heads=2, layers=1, float_tokens=3)
TAUS = torch.linspace(0.1, 0.9, 4)[None]


def small(**options):
    return network(**ALL_ON, **options)


def test_concat_is_the_encoder_and_the_float_head_side_by_side() -> None:
    net, obs = small(), observations(3)
    wanted = torch.cat([net.encoder(obs.image), net.float_head(obs.floats)], dim=1)
    assert torch.equal(net.features(obs), wanted)


def test_film_begins_as_concat_and_then_scales_and_shifts_each_channel() -> None:
    net, obs = small(state_fusion=Film), observations(3)
    floats = net.float_head(obs.floats)
    assert torch.equal(net.features(obs), Concat(net.encoder, 8, LeakyRelu())(net.encoder, obs.image, floats))
    nn.init.normal_(net.state_fusion.modulate.weight)
    said = net.state_fusion.modulate(floats)
    seen = net.encoder.last_map(obs.image).clone()
    channels = seen.shape[1]
    for row in range(3):
        for channel in range(channels):
            seen[row, channel] *= 1 + said[row, channel]
            seen[row, channel] += said[row, channels + channel]
    found = net.features(obs)
    torch.testing.assert_close(found, torch.cat([net.encoder.pool(seen).flatten(1), floats], dim=1))


def test_attention_is_that_of_torch() -> None:
    layer = small(state_fusion=TRANSFORMER).state_fusion.layers[0]
    oracle = nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        oracle.in_proj_weight.copy_(layer.query_key_value.weight)
        oracle.in_proj_bias.copy_(layer.query_key_value.bias)
        oracle.out_proj.weight.copy_(layer.out.weight)
        oracle.out_proj.bias.copy_(layer.out.bias)
        x = torch.randn(4, 5, 8)
        normed = layer.before_attention(x)
        x2 = x + oracle(normed, normed, normed)[0]
        torch.testing.assert_close(layer(x), x2 + layer.mlp(layer.before_mlp(x2)))


@pytest.mark.parametrize("fusion", [Film, TRANSFORMER])
def test_what_the_floats_say_changes_what_is_seen_in_the_picture(fusion) -> None:
    """The features of the picture alone, which come first, depend on the floats; in concat they do not."""
    for build, depends in ((fusion, True), (Concat, False)):
        net = small(state_fusion=build)
        if build is Film:
            nn.init.normal_(net.state_fusion.modulate.weight)
        obs = observations(2)
        other = obs._replace(floats=obs.floats + 1)
        assert torch.equal(net.features(obs)[:, :4], net.features(other)[:, :4]) is not depends


@pytest.mark.parametrize("options", [{"state_fusion": Film}, {"state_fusion": TRANSFORMER}])
def test_every_weight_gets_a_gradient_and_outputs_keep_their_shape(options) -> None:
    net = small(**options)
    for layer in net.modules():
        if isinstance(layer, Film):
            nn.init.normal_(layer.modulate.weight, std=0.1)
    net.reset_noise(torch.Generator().manual_seed(0))
    out = net(observations(3), TAUS)
    assert out.shape == (3, 4, 12)
    out.square().sum().backward()
    assert [name for name, weight in net.named_parameters() if weight.grad is None] == []


def test_positions_tell_cells_apart() -> None:
    net, obs = small(state_fusion=TRANSFORMER), observations(3)
    position = net.state_fusion.position
    assert position.shape == (4, 8) and not position.any()
    with torch.no_grad():
        position.normal_(generator=torch.Generator().manual_seed(0))
        before = net.features(obs)
        position.copy_(position.flip(0).clone())
    assert not torch.allclose(net.features(obs), before, atol=1e-3)


def test_a_shared_backbone_stands_before_the_fractions_with_the_options_of_the_head() -> None:
    backbone = SharedBackbone(6, noisy(), LayerNorm(), LeakyRelu())
    net, obs = small(backbone=backbone), observations(3)
    assert net.features(obs).shape == (3, 6) and net.fusion.embedding.out_features == 6
    before = net.features(obs)
    net.reset_noise(torch.Generator().manual_seed(0))
    assert not torch.equal(net.features(obs), before)
    net.disable_noise()
    assert torch.equal(net.features(obs), before)
    assert isinstance(net.backbone[1], nn.LayerNorm)
    assert net(obs, TAUS).shape == (3, 4, 12)


@pytest.mark.parametrize("fusion", [Film, TRANSFORMER])
@pytest.mark.parametrize("options", [{"image_shape": (1, 0, 0)}, {"layout": FloatLayout.generic(0)}])
def test_nothing_is_mixed_where_one_is_missing(fusion, options) -> None:
    with pytest.raises(UserError, match="one is missing; choose fusion=concat"):
        small(state_fusion=fusion, **options)


@pytest.mark.parametrize("none", [{"heads": 0}, {"heads": -4}, {"width": 0}])
def test_a_transformer_without_heads_or_width_is_refused(none: dict[str, int]) -> None:
    with pytest.raises(UserError, match="fusion.width and fusion.heads must be 1 or larger"):
        small(state_fusion=partial(TRANSFORMER, **none))


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(UserError, match=r"fusion.heads \(3\) must divide fusion.width \(8\)"):
        small(state_fusion=partial(TRANSFORMER, heads=3))
