"""Numbers in float32 or bfloat16 within a compiled loop, which computes in float32.

NumPy has no bfloat16: an array of such numbers is one of uint16 here, the upper halves of float32 numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray
from torch import Tensor

FORMATS = (torch.float32, torch.bfloat16)
Numbers = NDArray[np.float32] | NDArray[np.uint16]  # float32 or bfloat16

_WORD, _HALF_WORD, _FLOAT = ir.IntType(32), ir.IntType(16), ir.FloatType()
_NAN = 0x7FC00000


def as_array(tensor: Tensor) -> Numbers:
    """The memory of a contiguous CPU tensor in one of FORMATS, bfloat16 as uint16."""
    assert tensor.dtype in FORMATS, tensor.dtype
    bits = tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor
    return cast(Numbers, bits.detach().numpy())


def _widened(typing: object, number: types.Type) -> tuple[object, Callable]:
    """float32 of an element in either format."""

    def build(context: object, builder: ir.IRBuilder, signature: object, values: list[ir.Value]) -> ir.Value:
        (value,) = values
        if number == types.float32:
            return value
        return builder.bitcast(builder.shl(builder.zext(value, _WORD), _word(16)), _FLOAT)

    return types.float32(number), build


def _narrowed(typing: object, number: types.Type, like: types.Type) -> tuple[object, Callable]:
    """A float32 in the format of `like`: of two equally near numbers the even one, as torch rounds."""

    def build(context: object, builder: ir.IRBuilder, signature: object, values: list[ir.Value]) -> ir.Value:
        value = values[0]
        if like == types.float32:
            return value
        bits = builder.bitcast(value, _WORD)
        odd = builder.and_(builder.lshr(bits, _word(16)), _word(1))
        rounded = builder.add(bits, builder.add(odd, _word(0x7FFF)))
        no_number = builder.fcmp_unordered("uno", value, value)
        kept = builder.select(no_number, _word(_NAN), rounded)
        return builder.trunc(builder.lshr(kept, _word(16)), _HALF_WORD)

    return like(types.float32, like), build


def _word(value: int) -> ir.Constant:
    return ir.Constant(_WORD, value)


widened = cast(Callable[[np.float32 | np.uint16], np.float32], intrinsic(_widened))
narrowed = cast(Callable[[np.float32, np.float32 | np.uint16], np.float32], intrinsic(_narrowed))
