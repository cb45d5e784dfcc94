"""How loops over numbers are compiled for a CPU, by Numba, and arithmetic that rounds as torch's does.

Sums begin with +0, as torch's do; what torch does in one step (`add` with alpha, `lerp`, a term of `cross`)
is a fused multiply-add. Tests compare with torch to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Number = np.float32
Vector = tuple[Number, Number, Number]
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

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


ZERO = np.float32(0)
HALF = np.float32(0.5)
ONE = np.float32(1)


def _fused(typing: object, a: object, b: object, c: object) -> tuple[object, Callable]:
    """a * b + c, rounded once: its signature, and how LLVM does it."""

    def build(context: object, builder: ir.IRBuilder, signature: object, values: list[ir.Value]) -> ir.Value:
        return builder.fma(*values)

    return types.float32(types.float32, types.float32, types.float32), build


multiply_add = cast(Callable[[Number, Number, Number], Number], intrinsic(_fused))


@part
def clamp(x: Number, low: Number, high: Number) -> Number:
    """`x`, or the limit beyond which it lies; the upper one if they are in the wrong order."""
    x = low if x < low else x
    return high if x > high else x


@part
def positive(x: Number) -> Number:
    """relu."""
    return ZERO if x < ZERO else x


@part
def sum2(a: Number, b: Number) -> Number:
    """In torch's order."""
    return (ZERO + a) + b


@part
def sum3(a: Number, b: Number, c: Number) -> Number:
    """In torch's order."""
    return ((ZERO + a) + b) + c


@part
def lerp(a: Number, b: Number, share: Number) -> Number:
    """From `a` to `b`."""
    if abs(share) < HALF:
        return multiply_add(share, b - a, a)
    return multiply_add(share - ONE, b - a, b)


@part
def cross(a: Vector, b: Vector) -> Vector:
    """The vector at right angles to both."""
    return (
        multiply_add(a[1], b[2], -(a[2] * b[1])),
        multiply_add(a[2], b[0], -(a[0] * b[2])),
        multiply_add(a[0], b[1], -(a[1] * b[0])),
    )


@part
def dot(a: Vector, b: Vector) -> Number:
    """The scalar product."""
    return sum3(a[0] * b[0], a[1] * b[1], a[2] * b[2])
