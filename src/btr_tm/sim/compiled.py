"""How loops of the simulator are translated for the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable)


@cache
def sources() -> tuple[float, int]:
    """When a source file of this package changed last, and the size of all."""
    found = [path.stat() for path in sorted(Path(__file__).parents[1].rglob("*.py"))]
    return max(each.st_mtime for each in found), sum(each.st_size for each in found)


def outer(function: Function) -> Function:
    """A loop that Python calls, translated by Numba and kept until a source file of the package changes.

    By itself Numba compares the file of the function only, and goes on with what it has translated if a
    constant or a called function of another file changes.
    """
    dispatcher = njit(cache=True, nogil=True, error_model="numpy")(function)
    dispatcher._cache._cache_file._source_stamp = sources()  # type: ignore[attr-defined]
    return cast(Function, dispatcher)


def inner(fastmath: bool | set[str] = False) -> Callable[[Function], Function]:
    """What such loops call; becomes a part of them, and cannot be called from Python."""
    # "numpy": a division by zero gives infinity. The check for it would keep loops from becoming vectors.
    translate = njit(  # type: ignore[call-overload] # its types leave out two options
        nogil=True, fastmath=fastmath, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
    )
    return cast(Callable[[Function], Function], translate)
