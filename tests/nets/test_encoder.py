"""One suite for all encoders: every body under every norm and pool."""

from __future__ import annotations

import itertools

import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.nets.encoder.encoder import Encoder, NoEncoder
from btr_tm.nets.encoder.impala import ImpalaBody
from btr_tm.nets.encoder.norm import NoKernelNorm, SpectralNorm
from btr_tm.nets.encoder.pool import AdaptiveMaxPool, GlobalAveragePool, NoPool
from btr_tm.nets.pixels import Centred

from .helpers import CNN, encoder_of, initialised

PARTS = list(
    itertools.product(
        (CNN, ImpalaBody(0.25)),
        (NoKernelNorm(), SpectralNorm("residual"), SpectralNorm("all")),
        (NoPool(), AdaptiveMaxPool(3), GlobalAveragePool()),
    )
)


def pixels(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("image_shape", [(1, 40, 40), (4, 36, 52)])
@pytest.mark.parametrize(("body", "norm", "pool"), PARTS)
def test_encoder_gives_the_features_it_announces_and_learns(body, norm, pool, image_shape) -> None:
    encoder = initialised(encoder_of(image_shape, body, norm=norm, pool=pool))
    features = encoder(pixels(3, *image_shape))
    assert features.shape == (3, encoder.out_features)
    assert features.dtype == torch.float32 and features.isfinite().all()
    features.square().mean().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@pytest.mark.parametrize(
    ("encoder", "features", "parameters"),
    [
        (encoder_of((1, 64, 64), CNN), 512, 45_456),
        (encoder_of((1, 120, 160), CNN), 5632, 45_456),
        (encoder_of((1, 64, 64), CNN, pool=AdaptiveMaxPool(6)), 1152, 45_456),
        (encoder_of((1, 64, 64), ImpalaBody(2)), 4096, 388_160),
        (encoder_of((1, 120, 160), ImpalaBody(2)), 19_200, 388_160),
        (encoder_of((1, 120, 160), ImpalaBody(2), pool=AdaptiveMaxPool(6)), 2304, 388_160),
        (
            encoder_of((4, 84, 84), ImpalaBody(2), norm=SpectralNorm("residual"), pool=AdaptiveMaxPool(6)),
            2304,
            389_024,
        ),
    ],
)
def test_sizes_are_the_published_ones(encoder: Encoder, features: int, parameters: int) -> None:
    assert encoder.out_features == features
    assert sum(parameter.numel() for parameter in encoder.parameters()) == parameters


def test_adaptive_pool_bins_are_torchs() -> None:
    bins = [(0, 2), (1, 3), (2, 4), (4, 6), (5, 7), (6, 8)]
    row = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    pooled = AdaptiveMaxPool(6)()(row)[0, 0]
    for i, (top, bottom) in enumerate(bins):
        for j, (left, right) in enumerate(bins):
            assert pooled[i, j] == row[0, 0, top:bottom, left:right].max()


def test_pixels_are_centred_at_128_and_keep_their_order() -> None:
    image = pixels(2, 3, 4, 5)
    torch.testing.assert_close(Centred()(image), (image.float() - 128) / 128, atol=0.0, rtol=0.0)
    assert Centred()(torch.tensor([[[[0, 255]]]], dtype=torch.uint8)).flatten().tolist() == [-1.0, 0.9921875]


def test_too_small_an_image_is_refused_in_one_sentence() -> None:
    for body, side in ((CNN, 35), (ImpalaBody(2), 0)):
        with pytest.raises(UserError, match=f"got {side} x {side}"):
            encoder_of((1, side, side), body)
    assert encoder_of((1, 36, 36), CNN).out_features == 32


def test_no_encoder_sees_nothing() -> None:
    assert NoEncoder((1, 0, 0))(torch.zeros(5, 1, 0, 0, dtype=torch.uint8)).shape == (5, 0)
    assert NoEncoder((1, 8, 8))(pixels(5, 1, 8, 8)).shape == (5, 0)
