"""How loops over numbers are compiled for a CPU, by Numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable)


def part(function: Function) -> Function:
    """What a kernel calls; it becomes a part of it. As in torch, a division by zero is not an exception."""
    return cast(Function, njit(error_model="numpy")(function))


def kernel(function: Function) -> Function:
    """Compiled at the first call, or taken from the cache on disk; other threads run on meanwhile.

    The cache notices changes in the file of `function` only: what other files say must come as arguments.
    Without a directory that can be written there is no cache, and every process compiles anew.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # Numba found no place for a cache
        return cast(Function, njit(nogil=True, error_model="numpy")(function))
