"""How loops over numbers are compiled for a CPU, by Numba, and arithmetic that rounds as torch's does.

Sums begin with +0, as torch's do; what torch does in one step (`add` with alpha, `lerp`, a term of `cross`)
is a fused multiply-add. Tests compare with torch to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from filelock import FileLock
from llvmlite import ir
from numba import njit, typeof, types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic
from numpy.typing import NDArray

Number = np.float32
Vector = tuple[Number, Number, Number]
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

Function = TypeVar("Function", bound=Callable)
PATIENCE_S = 120  # several times what the longest kernel takes to compile on a slow machine
# As in torch, a division by zero is not an exception. Arrays belong to the caller: counting the users of each
# one took as long as the arithmetic, and a fifth of the compilation. So they cannot make arrays.
BORROWED = {"error_model": "numpy", "_nrt": False}
# Without the wrappers by which Python or C could call it, a quarter less is compiled.
PART = BORROWED | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def part(function: Function) -> Function:
    """What a kernel calls; it becomes a part of it."""
    return cast(Function, njit(**PART)(function))  # type: ignore[call-overload] # not annotated


def reordered_part(function: Function) -> Function:
    """As `part`, for pictures: sums may be reordered and fused, which differs from torch in the last digit.

    NaN and infinity keep their meaning: a state that is no number must not lead to an address outside of a
    table.
    """
    fast = {"contract", "reassoc", "arcp", "nsz"}
    return cast(Function, njit(fastmath=fast, **PART)(function))  # type: ignore[call-overload] # as above


def kernel(function: Function) -> Function:
    """Compiled at the first call, or taken from the cache on disk; other threads run on meanwhile.

    The cache is beside the file of `function`, or in the user's cache directory, or in NUMBA_CACHE_DIR. Where
    none of them can be written, every process compiles anew.
    """
    options = BORROWED | {"nogil": True, "no_cfunc_wrapper": True}
    compiled = njit(**options)(function)  # type: ignore[call-overload] # as above
    return cast(Function, _cached(compiled))


def allocating_kernel(function: Function) -> Function:
    """As `kernel`, for one that makes arrays for itself."""
    return cast(Function, _cached(njit(nogil=True, error_model="numpy")(function)))


def ready(function: Function, *arguments: object) -> Function:
    """A kernel as it is called with arguments of these types alone, compiled now or taken from the cache.

    It believes that they are: to look at the types of fifty arrays, which Numba does in other calls, takes
    longer than to drive one car. An array of another kind would be misread.
    """
    return cast(Function, function.compile(tuple(map(typeof, arguments))))  # type: ignore[attr-defined] # Numba's


def _cached(compiled: Function) -> Function:
    with suppress(RuntimeError):  # Numba found no place for a cache
        compiled.enable_caching()  # type: ignore[attr-defined] # Numba's
        # Numba looks at the file of the function only, but a kernel holds parts and constants of others too.
        index = compiled._cache._cache_file  # type: ignore[attr-defined] # not a part of its interface
        index._source_stamp = (index._source_stamp, _sources())
        _compile_once(compiled, Path(index._index_path).with_suffix(".lock"))
    return compiled


def _compile_once(compiled: Function, lock: Path) -> None:
    """Of processes that start together one compiles; the others wait, and read what it has stored.

    Numba's own lock first, which also a thread that compiles what holds this kernel has.
    """
    compile_here = compiled.compile  # type: ignore[attr-defined] # Numba's

    def compile_or_read(signature: object) -> object:
        with global_compiler_lock, ExitStack() as held:
            with suppress(OSError):  # no lock there, or the other process stands still
                held.enter_context(FileLock(lock, timeout=PATIENCE_S))
            return compile_here(signature)

    compiled.compile = compile_or_read  # type: ignore[attr-defined] # as above


@cache
def _sources() -> str:
    """A digest of all files of which a kernel may hold a part."""
    package, digest = Path(__file__).parents[1], sha256()
    layers = ("core", "race", "nets", "sim", "envs")
    for path in sorted(path for layer in layers for path in (package / layer).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


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
