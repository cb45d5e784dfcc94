"""Kernels are compiled with a cache, or without one where nothing can be written."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock, Timeout
from numba import config
from numba.core import caching

from btr_tm.core import kernels
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


def test_the_cache_notices_a_change_in_any_file_that_a_kernel_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    again = []
    for sources in ("as they are", "as they are", "changed"):
        monkeypatch.setattr(kernels, "_sources", lambda sources=sources: sources)
        compiled = kernel(halves)
        compiled(np.ones(1, np.float32))
        again.append(sum(compiled.stats.cache_misses.values()))
    assert again == [1, 0, 1]


def test_one_process_compiles_at_a_time_but_none_waits_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    held = []
    for patience_s in (60, 0):
        monkeypatch.setattr(kernels, "PATIENCE_S", patience_s)
        compiled, values = kernel(halves), np.ones(1, np.float32)
        lock = FileLock(Path(compiled._cache._cache_file._index_path).with_suffix(".lock"))
        compiled._cache.load_overload = lambda *_, lock=lock: held.append(is_held(lock))
        with nullcontext() if patience_s else lock:
            compiled(values)
        assert values[0] == 0.5 and not is_held(lock)
    assert held == [True, True]


def is_held(lock: FileLock) -> bool:
    try:
        with FileLock(lock.lock_file, timeout=0):
            return False
    except Timeout:
        return True


def test_the_sources_are_those_of_three_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or b"")
    kernels._sources.__wrapped__()
    names = {path.name for path in read}
    assert {"kernels.py", "reference_line.py", "dynamics.py", "scene.py"} <= names
