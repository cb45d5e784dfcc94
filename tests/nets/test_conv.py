"""The fast ways of stem and pool against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from btr_tm.nets.encoder.conv import HalvingPool, Stem


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("height, width", [(12, 8), (5, 4), (40, 40)])
def test_a_grey_stem_in_bf16_is_the_convolution_of_rounded_numbers(height: int, width: int) -> None:
    stem, x = Stem(1, 6), images(3, 1, height, width)
    with torch.no_grad():
        for number in (x, *stem.parameters()):
            number.copy_(number.bfloat16())  # so that rounding the inputs changes nothing
    seed = images(3, 6, height, width, seed=1).bfloat16().float()
    exact = nn.functional.conv2d(x, stem.weight, stem.bias, padding=1)
    expected = torch.autograd.grad((exact * seed).sum(), list(stem.parameters()))
    with torch.autocast("cpu", torch.bfloat16):
        out = stem(x)
    got = torch.autograd.grad((out * seed).sum(), list(stem.parameters()))
    assert out.dtype == torch.bfloat16 and out.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(out.float(), exact, atol=1e-3, rtol=8e-3)  # bf16 has eight bits
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=0.02 * theirs.abs().max().item(), rtol=0.0)


@pytest.mark.parametrize("channels, width", [(1, 8), (4, 8), (1, 7)])
def test_a_stem_in_full_precision_is_the_plain_convolution(channels: int, width: int) -> None:
    stem, x = Stem(channels, 5), images(2, channels, 6, width)
    assert torch.equal(stem(x), nn.functional.conv2d(x, stem.weight, stem.bias, padding=1))
    with torch.autocast("cpu", torch.bfloat16):
        assert stem(x).shape == (2, 5, 6, width)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 2, 5, 7), (2, 1, 1, 4), (1, 4, 1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pooling_without_gradient_gives_the_same_maxima(shape, dtype) -> None:
    x, pool, reference = images(*shape).to(dtype), HalvingPool(), nn.MaxPool2d(3, stride=2, padding=1)
    with torch.no_grad():
        for layout in (torch.contiguous_format, torch.channels_last):
            each = x.contiguous(memory_format=layout)
            assert torch.equal(pool(each), reference(each))


def test_pooling_with_gradient_gives_torchs_gradient() -> None:
    mine, theirs = (images(2, 3, 8, 6).requires_grad_() for _ in range(2))
    HalvingPool()(mine).square().sum().backward()
    nn.MaxPool2d(3, stride=2, padding=1)(theirs).square().sum().backward()
    assert torch.equal(mine.grad, theirs.grad)
