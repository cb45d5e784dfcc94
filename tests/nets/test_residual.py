"""The residual block and its gradient against torch's own graph of the same operations."""

from __future__ import annotations

import pytest
import torch

from btr_tm.nets.encoder.conv import Residual

CHANNELS = 3


def block(dtype: torch.dtype) -> Residual:
    torch.manual_seed(0)
    return Residual(CHANNELS).to(dtype)


def images(dtype: torch.dtype) -> torch.Tensor:
    x = torch.randn(2, CHANNELS, 4, 5, generator=torch.Generator().manual_seed(1)).to(dtype)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def step_by_step(made: Residual, x: torch.Tensor) -> torch.Tensor:
    return x + made.second(torch.relu(made.first(torch.relu(x))))


def gradients(made: Residual, x: torch.Tensor, way) -> list[torch.Tensor]:
    y = way(made, x)
    return [y, *torch.autograd.grad((y.float() ** 3).sum(), [x, *made.parameters()])]


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=["last", "first"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.01)])
def test_it_is_torchs_graph(dtype, tolerance: float, layout) -> None:
    """All but the sum of the inner bias's gradient to the bit."""
    made, x = block(dtype), images(dtype).contiguous(memory_format=layout)
    ours, torchs = (gradients(made, x, way) for way in (Residual.__call__, step_by_step))
    torch.testing.assert_close(ours.pop(3), torchs.pop(3), rtol=tolerance, atol=tolerance)
    for one, other in zip(ours, torchs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_kernels_of_another_format_are_cast_to_that_of_the_images() -> None:
    """Without a norm of the kernels nobody has cast them before."""
    made, x = block(torch.float32), images(torch.bfloat16)
    both = []
    for way in (Residual.__call__, step_by_step):
        with torch.autocast("cpu", torch.bfloat16):
            both.append(gradients(made, x, way))
    assert [each.dtype for each in both[0]] == 2 * [torch.bfloat16] + 4 * [torch.float32]
    for ours, torchs in zip(*both, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=0.01, atol=0.01)


def test_a_pass_without_a_gradient_gives_the_same_numbers() -> None:
    made, x = block(torch.float32), images(torch.float32)
    with torch.no_grad():
        alone = made(x)
    assert torch.equal(alone, made(x))
