"""Which operations torch's tracer can record, and what stands in for some that it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import cast

import torch
from torch import Tensor

from btr_tm.core.operations import operation

Operation = torch._ops.OpOverload


def random(func: Operation) -> bool:
    """Whether the operation draws random numbers."""
    return torch.Tag.nondeterministic_seeded in func.tags


def reads(func: Operation, tensors: Sequence[Tensor]) -> bool:
    """Whether Python learns a number that is in `tensors`, or how many of them fulfil something."""
    if func == torch.ops.aten.index.Tensor:  # tagged, but it counts nothing unless there is a mask
        return any(tensor.dtype in (torch.bool, torch.uint8) for tensor in tensors[1:])
    return bool({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & {*func.tags})


def traceable(func: Operation, args: tuple[object, ...]) -> tuple[Callable, tuple[object, ...]]:
    """The same for the tracer, which knows no list of truth values: as last argument it becomes numbers."""
    if str(func._schema.arguments[-1].type) != "List[bool]":
        return func, args
    return _with_numbers(func), (*args[:-1], [int(each) for each in cast(Sequence[bool], args[-1])])


@cache
def _with_numbers(func: Operation) -> Callable:
    """`func` with a list of numbers that says which results are wanted; those that are not are empty."""

    def run(*args: object) -> tuple[Tensor, ...]:
        results = func(*args[:-1], [bool(each) for each in cast(Sequence[int], args[-1])])
        return tuple(torch.empty(0) if result is None else result for result in results)

    schema = re.sub(r"bool\[\d\]", "int[]", str(func._schema).replace("SymInt", "int"))
    return operation(schema.replace("::", "_", 1), run)
