"""The pool between the stages of IMPALA is torch's, however it is computed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from btr_tm.nets.encoder.conv import Conv
from btr_tm.nets.encoder.max_pool import MaxPool

TORCHS = nn.MaxPool2d(3, stride=2, padding=1)
LAYOUTS = [torch.channels_last, torch.contiguous_format]


def pixels(shape, dtype, layout) -> torch.Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    x.flatten()[::17], x.flatten()[::19] = 2.5, -torch.inf
    return x.contiguous(memory_format=layout)


@pytest.mark.parametrize("layout", LAYOUTS, ids=["channels last", "channels first"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    "shape", [(2, 8, 10, 6), (3, 16, 4, 4), (1, 1, 2, 2), (2, 8, 5, 6), (2, 8, 9, 6), (2, 64, 6, 4)]
)
def test_it_is_torchs_pool(shape, dtype, layout) -> None:
    x = pixels(shape, dtype, layout)
    with torch.no_grad():
        assert torch.equal(MaxPool()(x), TORCHS(x))
    assert torch.equal(MaxPool()(x.requires_grad_()), TORCHS(x))


def test_one_place_by_hand() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert MaxPool()(x).flatten().tolist() == [5, 7, 13, 15]
    assert MaxPool()(-x).flatten().tolist() == [0, -1, -4, -5]


def test_what_is_not_a_number_is_not_lost() -> None:
    x = torch.zeros(1, 8, 4, 4)
    x[0, 3, 1, 1] = torch.nan
    for learns in (False, True):
        with torch.set_grad_enabled(learns):
            assert MaxPool()(x)[0, 3].isnan().all() and int(MaxPool()(x).isnan().sum()) == 4


@pytest.mark.parametrize("layout", LAYOUTS, ids=["channels last", "channels first"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.02), (torch.float32, 1e-6)])
@pytest.mark.parametrize("shape", [(2, 8, 10, 6), (1, 1, 2, 2), (2, 8, 5, 6)])
def test_its_gradient_is_torchs(shape, dtype, tolerance: float, layout) -> None:
    """Of equal numbers the first has it all."""
    x, y = (pixels(shape, dtype, layout).requires_grad_() for _ in range(2))
    gradient = torch.randn(TORCHS(y).shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    for values, pool in ((x, MaxPool()), (y, TORCHS)):
        pool(values).backward(gradient)
    torch.testing.assert_close(x.grad, y.grad, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.02), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("size", "channels"), [((10, 6), 8), ((10, 6), 3), ((10, 6), 17), ((9, 6), 8)])
def test_a_convolution_before_it_learns_as_in_torch(size, channels: int, dtype, tolerance: float) -> None:
    convolution, x = (
        Conv(1, channels, 3, padding=1),
        pixels((5, 1, *size), torch.float32, torch.channels_last),
    )
    x.clamp_(min=-3.0)
    gradients = []
    for pooled in (lambda: MaxPool().of(convolution, x), lambda: TORCHS(convolution(x))):
        convolution.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            y = pooled()
        assert y.dtype == dtype
        (y.float() ** 2).sum().backward()
        gradients.append([y.detach(), *(parameter.grad.clone() for parameter in convolution.parameters())])
    for ours, torchs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=tolerance, atol=tolerance * torchs.abs().max().item())


def test_strides_stay_channels_last() -> None:
    x = pixels((2, 8, 6, 6), torch.bfloat16, torch.channels_last)
    assert MaxPool()(x).is_contiguous(memory_format=torch.channels_last)
