"""The building blocks of encoder bodies."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction, FunctionCtx, once_differentiable

from btr_tm.nets.builders import DrawWeights
from btr_tm.nets.encoder import loops
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
        if torch.is_grad_enabled() and loops.readable(x, x.dtype):
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
        inner, *second = _convolution_gradient(gradient, between, second_kernel, bias=True)
        inner = inner.contiguous(memory_format=torch.channels_last)
        bias = loops.rectify_(inner, between)
        outer, first, _ = _convolution_gradient(inner, before, kernel, bias=False)
        outer = outer.contiguous(memory_format=torch.channels_last)
        loops.rectify_and_add_(outer, before, gradient)
        return outer, first, bias, *second


def _convolution_gradient(gradient: Tensor, x: Tensor, kernel: Tensor, bias: bool) -> list[Tensor]:
    """Of the input, the kernel and the `bias`, if wanted, of a convolution of three by three with padding."""
    return torch.ops.aten.convolution_backward(
        gradient, x, kernel, [len(kernel)], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, True, bias]
    )
