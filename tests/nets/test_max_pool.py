"""The pool between the stages of IMPALA is torch's, however it is computed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from btr_tm.nets.encoder.conv import MaxPool, of_columns, of_rows

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
    assert torch.equal(MaxPool()(x), TORCHS(x))


def test_one_place_by_hand() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert MaxPool()(x).flatten().tolist() == [5, 7, 13, 15]
    assert MaxPool()(-x).flatten().tolist() == [0, -1, -4, -5]


def test_rows_and_columns_are_taken_one_after_the_other() -> None:
    x = torch.arange(8.0).reshape(1, 4, 2, 1)
    assert of_rows(x).flatten().tolist() == [2, 3, 6, 7]
    assert of_columns(of_rows(x)).flatten().tolist() == [3, 7]


def test_what_is_not_a_number_is_not_lost() -> None:
    x = torch.zeros(1, 8, 4, 4)
    x[0, 3, 1, 1] = torch.nan
    assert MaxPool()(x)[0, 3].isnan().all() and int(MaxPool()(x).isnan().sum()) == 4


def test_its_gradient_is_torchs() -> None:
    x, y = (pixels((2, 8, 6, 6), torch.float32, torch.channels_last).requires_grad_() for _ in range(2))
    for values, pool in ((x, MaxPool()), (y, TORCHS)):
        (pool(values).clamp(min=-9.0) ** 2).sum().backward()
    assert torch.equal(x.grad, y.grad)


def test_strides_stay_channels_last() -> None:
    x = pixels((2, 8, 6, 6), torch.bfloat16, torch.channels_last)
    assert MaxPool()(x).is_contiguous(memory_format=torch.channels_last)
