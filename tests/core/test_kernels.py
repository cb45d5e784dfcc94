"""Kernels are compiled with a cache, or without one where nothing can be written."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core import caching

from btr_tm.core.kernels import kernel, part


@part
def half(x: np.float32) -> np.float32:
    return x / np.float32(2)


def halves(values: np.ndarray) -> None:
    for row in range(len(values)):
        values[row] = half(values[row]) / values[row]


def test_without_a_place_for_a_cache_a_kernel_is_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    values = np.array([1, 0], np.float32)
    kernel(halves)(values)
    assert values[0] == 0.5 and np.isnan(values[1])  # and a division by zero is none of its business
