"""The loops for a CPU as operations of torch: whoever watches or records operations sees one of them each.

Images are (B, C, H, W), float32 or bfloat16, channels last in memory; any other memory is copied first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from btr_tm.core.half_floats import FORMATS, Numbers, as_array
from btr_tm.core.operations import operation
from btr_tm.nets.encoder import pool_kernel, rectifier_kernel

_WORD = np.dtype(np.uint64)


def _operation(schema: str) -> Callable[[Callable], Callable]:
    return partial(operation, schema)


def readable(x: Tensor, dtype: torch.dtype) -> bool:
    """Whether the loops can read `x` in the format `dtype`; a compiler makes loops of its own."""
    return x.is_cpu and dtype in FORMATS and not torch.compiler.is_compiling()


@_operation("max_pool(Tensor x) -> (Tensor, Tensor)")
def max_pool(x: Tensor) -> tuple[Tensor, Tensor]:
    """The maxima of `x`, whose sides are even, and where they were: uint8 (B, H / 2, W / 2, C)."""
    shape = len(x), x.shape[2] // 2, x.shape[3] // 2, x.shape[1]
    pooled, place = x.new_empty(shape), torch.empty(shape, dtype=torch.uint8)
    pool_kernel.max_pool(_rows(x), as_array(pooled), place.numpy())
    return pooled.permute(0, 3, 1, 2), place


@_operation("max_pool_values(Tensor x) -> Tensor")
def max_pool_values(x: Tensor) -> Tensor:
    """The maxima alone."""
    pooled = x.new_empty(len(x), x.shape[2] // 2, x.shape[3] // 2, x.shape[1])
    out = as_array(pooled)
    strip = np.empty((x.shape[3], x.shape[1]), out.dtype)
    word = out.dtype if strip[0].nbytes % _WORD.itemsize else _WORD
    pool_kernel.max_pool_values(_flat_rows(x), strip.reshape(-1), strip.view(word), out.view(word))
    return pooled.permute(0, 3, 1, 2)


@_operation("max_pool_gradient(Tensor gradient, Tensor place) -> Tensor")
def max_pool_gradient(gradient: Tensor, place: Tensor) -> Tensor:
    """Of what was pooled, from that of the maxima."""
    batch, height, width, channels = place.shape
    pixels = gradient.new_empty(batch, 2 * height, 2 * width, channels)
    pool_kernel.max_pool_gradient(_rows(gradient), place.numpy(), as_array(pixels))
    return pixels.permute(0, 3, 1, 2)


@_operation("pooled_convolution_gradient(Tensor x, Tensor gradient, Tensor place) -> (Tensor, Tensor)")
def pooled_convolution_gradient(x: Tensor, gradient: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Of kernel and bias of a convolution of `x` (B, 1, H, W) before the pool, in float32."""
    kernel, bias = torch.zeros(place.shape[3], 9), torch.zeros(place.shape[3])
    arrays = as_array(x[:, 0].contiguous()), _rows(gradient), place.numpy(), kernel.numpy(), bias.numpy()
    pool_kernel.pooled_convolution_gradient(*arrays)
    return kernel.view(-1, 1, 3, 3), bias


@_operation("rectify_(Tensor(a!) gradient, Tensor result) -> Tensor")
def rectify_(gradient: Tensor, result: Tensor) -> Tensor:
    """In place: `gradient`, channels last, passes where the `result` of a rectifier is positive.

    Returns what is left of it, summed for each channel, in float32.
    """
    sums = torch.zeros(gradient.shape[1])
    rectifier_kernel.rectify(_flat_rows(gradient), _flat_rows(result), sums.numpy())
    return sums


@_operation("rectify_and_add_(Tensor(a!) gradient, Tensor result, Tensor skipped) -> ()")
def rectify_and_add_(gradient: Tensor, result: Tensor, skipped: Tensor) -> None:
    """As `rectify_`, then adds the gradient of the connection that `skipped` the rectifier."""
    rectifier_kernel.rectify_and_add(_flat_rows(gradient), _flat_rows(result), _flat_rows(skipped))


def _rows(x: Tensor) -> Numbers:
    """(B, C, H, W) -> (B, H, W, C): the memory of `x` itself if that is channels last."""
    return as_array(x.permute(0, 2, 3, 1).contiguous())


def _flat_rows(x: Tensor) -> Numbers:
    """(B, C, H, W) -> (B, H, W * C), likewise."""
    return as_array(x.permute(0, 2, 3, 1).contiguous().flatten(2))
