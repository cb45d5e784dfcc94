"""Gradients of rectifiers within residual blocks, each together with what else needs the same numbers.

Images are channels last in memory, as rows of pixels: (B, H, W * C). A loop reads and writes every number
once.
"""

from __future__ import annotations

import numpy as np

from btr_tm.core.half_floats import Numbers, narrowed, widened
from btr_tm.core.kernels import Floats, allocating_kernel, kernel, part, reordered_part

_NOTHING = np.float32(0)


@allocating_kernel
def rectify(gradient: Numbers, result: Numbers, bias: Floats) -> None:
    """Keeps the `gradient` where the `result` of the rectifier is positive; adds its sums to `bias` (C,)."""
    sums = np.zeros(gradient.shape[2], np.float32)
    for image in range(gradient.shape[0]):
        for y in range(gradient.shape[1]):
            _rectify_row(gradient[image, y], result[image, y], sums)
    for i in range(len(sums)):
        bias[i % len(bias)] += sums[i]


@kernel
def rectify_and_add(gradient: Numbers, result: Numbers, skipped: Numbers) -> None:
    """As `rectify`, then adds the gradient of the connection that `skipped` the rectifier."""
    for image in range(gradient.shape[0]):
        for y in range(gradient.shape[1]):
            _rectify_and_add_row(gradient[image, y], result[image, y], skipped[image, y])


@reordered_part
def _rectify_row(gradient: Numbers, result: Numbers, sums: Floats) -> None:
    for i in range(len(sums)):
        kept = widened(gradient[i]) if widened(result[i]) > _NOTHING else _NOTHING
        sums[i] += kept
        gradient[i] = narrowed(kept, gradient[i])


@part
def _rectify_and_add_row(gradient: Numbers, result: Numbers, skipped: Numbers) -> None:
    for i in range(len(gradient)):
        kept = widened(gradient[i]) if widened(result[i]) > _NOTHING else _NOTHING
        gradient[i] = narrowed(kept + widened(skipped[i]), gradient[i])
