"""The max-pool between the stages of IMPALA, on a CPU in loops of our own."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction, FunctionCtx, once_differentiable

from btr_tm.nets.encoder import loops
from btr_tm.nets.encoder.conv import Conv


class MaxPool(nn.MaxPool2d):
    """The maximum of three by three pixels at every second one.

    torch's kernel on the CPU takes channels one by one if they do not fill a vector register, and its
    gradient always does; the loops take rows of pixels. Values are equal, gradients up to the order of sums.
    """

    def __init__(self) -> None:
        super().__init__(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H / 2, W / 2), rounded up."""
        if not _halves(x, x.dtype):
            return super().forward(x)
        return cast(Tensor, _Pool.apply(x)) if torch.is_grad_enabled() else loops.max_pool_values(x)

    def of(self, convolution: Conv, x: Tensor) -> Tensor:
        """The pool of `convolution(x)`, three by three with padding."""
        kind = x.device.type
        autocast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if autocast else x.dtype
        learns = torch.is_grad_enabled() and x.shape[1] == 1 and not x.requires_grad
        if not learns or not _halves(x, dtype):
            return self(convolution(x))
        parameters = convolution.weight.to(dtype), convolution.bias
        return cast(Tensor, _PooledConvolution.apply(x.to(dtype), *parameters))


def _halves(x: Tensor, dtype: torch.dtype) -> bool:
    """Whether the loops can pool images `x` in the format `dtype`: their sides must be even."""
    return x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0 and loops.readable(x, dtype)


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        pooled, place = loops.max_pool(x)
        ctx.save_for_backward(place)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> Tensor:
        (place,) = list(ctx.saved_tensors)
        return loops.max_pool_gradient(gradient, place)


class _PooledConvolution(torch.autograd.Function):
    """A convolution of images of one channel, which need no gradient, and the pool after it."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        pooled, place = loops.max_pool(torch.conv2d(x, kernel, bias.to(x.dtype), padding=1))
        ctx.save_for_backward(x, place)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> tuple[None, Tensor, Tensor]:
        x, place = list(ctx.saved_tensors)
        return None, *loops.pooled_convolution_gradient(x, gradient, place)
