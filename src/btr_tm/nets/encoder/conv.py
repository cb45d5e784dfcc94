"""The building blocks of encoder bodies."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction, FunctionCtx, once_differentiable

from btr_tm.core.half_floats import FORMATS, Numbers, as_array
from btr_tm.nets.builders import DrawWeights
from btr_tm.nets.encoder import pool_kernel
from btr_tm.nets.layers import GAIN


class Conv(nn.Conv2d):
    """A convolution that knows the gain of its initial kernel."""

    def initialise(self, generator: torch.Generator, weights: DrawWeights) -> None:
        weights(self, GAIN, generator)


class Residual(nn.Module):
    """x + conv(relu(conv(relu(x)))), the pre-activation block of IMPALA."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Conv(channels, channels, 3, padding=1)
        self.second = Conv(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.is_cpu and not torch.compiler.is_compiling():
            first, second = self.first, self.second
            return cast(Tensor, _Residual.apply(x, first.weight, first.bias, second.weight, second.bias))
        return self.second(torch.relu_(self.first(torch.relu(x)))).add_(x)


class _Residual(torch.autograd.Function):
    """The block and its gradient as one operation: of eleven nodes of a graph, each costs microseconds."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, kernel: Tensor, bias: Tensor, second_kernel: Tensor, second_bias: Tensor
    ) -> Tensor:
        kernels = kernel.to(x.dtype), second_kernel.to(x.dtype)
        before = torch.relu(x)
        between = torch.conv2d(before, kernels[0], bias.to(x.dtype), padding=1).relu_()
        ctx.save_for_backward(before, between, *kernels)
        return torch.conv2d(between, kernels[1], second_bias.to(x.dtype), padding=1).add_(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> tuple[Tensor, ...]:
        before, between, kernel, second_kernel = list(ctx.saved_tensors)
        inner, *second = _convolution_gradient(gradient, between, second_kernel)
        inner = torch.ops.aten.threshold_backward(inner, between, 0)
        outer, *first = _convolution_gradient(inner, before, kernel)
        outer = torch.ops.aten.threshold_backward(outer, before, 0)
        return outer.add_(gradient), *first, *second


def _convolution_gradient(gradient: Tensor, x: Tensor, kernel: Tensor) -> list[Tensor]:
    """Of the input, the kernel and the bias of a convolution of three by three with padding."""
    return torch.ops.aten.convolution_backward(
        gradient, x, kernel, [len(kernel)], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, True, True]
    )


class MaxPool(nn.MaxPool2d):
    """The maximum of three by three pixels at every second one, by a loop of our own where that is faster.

    torch's kernel on the CPU takes channels one by one if they do not fill a vector register, and its
    gradient always does. Values and gradients are equal, up to the order of the sum of a gradient.
    """

    def __init__(self) -> None:
        super().__init__(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H / 2, W / 2), rounded up."""
        return cast(Tensor, _MaxPool.apply(x)) if self._in_a_loop(x, x.dtype) else super().forward(x)

    def of(self, convolution: Conv, x: Tensor) -> Tensor:
        """The pool of `convolution(x)`, three by three with padding."""
        learns = torch.is_grad_enabled() and not x.requires_grad and x.shape[1] == 1
        if learns and self._in_a_loop(
            x, torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        ):
            return cast(Tensor, _PooledConvolution.apply(x, convolution.weight, convolution.bias))
        return self(convolution(x))

    def _in_a_loop(self, x: Tensor, dtype: torch.dtype) -> bool:
        """Whether the loops can pool (B, C, H, W) numbers of `dtype`."""
        even = x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0
        return even and x.is_cpu and dtype in FORMATS and not torch.compiler.is_compiling()


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        pooled, place = _pooled(x)
        ctx.save_for_backward(place)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> Tensor:
        (place,) = list(ctx.saved_tensors)
        batch, height, width, channels = place.shape
        pixels = gradient.new_empty(batch, 2 * height, 2 * width, channels)
        pool_kernel.max_pool_gradient(_rows(gradient), place.numpy(), as_array(pixels))
        return pixels.permute(0, 3, 1, 2)


class _PooledConvolution(torch.autograd.Function):
    """A convolution of images of one channel, which need no gradient, and the pool after it."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        pooled, place = _pooled(torch.conv2d(x, kernel, bias, padding=1))
        ctx.save_for_backward(x, place)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> tuple[None, Tensor, Tensor]:
        x, place = list(ctx.saved_tensors)
        weight, bias = torch.zeros(place.shape[3], 9), torch.zeros(place.shape[3])
        arrays = (
            x[:, 0].float().contiguous().numpy(),
            _rows(gradient),
            place.numpy(),
            weight.numpy(),
            bias.numpy(),
        )
        pool_kernel.pooled_convolution_gradient(*arrays)
        return None, weight.view(-1, 1, 3, 3), bias


def _pooled(x: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, H, W) -> the maxima (B, C, H / 2, W / 2), channels last, and where they were."""
    batch, channels, height, width = x.shape
    pooled = x.new_empty(batch, height // 2, width // 2, channels)
    place = torch.empty(pooled.shape, dtype=torch.uint8)
    pool_kernel.max_pool(_rows(x), as_array(pooled), place.numpy())
    return pooled.permute(0, 3, 1, 2), place


def _rows(x: Tensor) -> Numbers:
    """(B, C, H, W) -> (B, H, W, C)."""
    return as_array(x.permute(0, 2, 3, 1).contiguous())
