"""Records a function of tensors once and replays it without Python, at half the cost of small operations."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor

from btr_tm.core.tree import Leaves, Tree, flatten, unflatten

Recorded = Callable[..., tuple[Tensor, ...]]
Function = TypeVar("Function", bound=Callable)


class Traced(Generic[Tree]):
    """`function` of trees of tensors, whose result depends on them alone; the same operations, same numbers.

    Recorded anew for every combination of shapes, which takes a quarter of a second each. What it returns
    must not be changed in place. A function that a recording would change is called instead, and a warning
    says so: one that reads numbers from tensors, or gives other results when it is called again.
    """

    def __init__(self, function: Callable[..., Tree]) -> None:
        self._function = function
        self._recorded: dict[tuple[torch.Size, ...], tuple[Recorded, Tree] | None] = {}

    def __reduce__(self) -> tuple[type[Traced], tuple[Callable[..., Tree]]]:
        return Traced, (self._function,)  # recordings cannot be pickled

    def __call__(self, *trees: Leaves) -> Tree:
        leaves = flatten(trees)
        shapes = tuple(leaf.shape for leaf in leaves)
        if shapes not in self._recorded:
            self._recorded[shapes] = self._record(trees, leaves)
        recorded = self._recorded[shapes]
        if recorded is None:
            return self._function(*trees)
        replay, like = recorded
        with torch.jit.optimized_execution(False):  # nothing to gain here, and it would take as long again
            return unflatten(like, list(replay(*leaves)))

    def _record(self, trees: tuple[Leaves, ...], leaves: list[Tensor]) -> tuple[Recorded, Tree] | None:
        """The recording, and a result whose structure later results have; None where it would be another."""
        results: list[Tree] = []

        def flat(*values: Tensor) -> tuple[Tensor, ...]:
            results.append(self._function(*unflatten(trees, list(values))))
            return tuple(flatten(results[-1]))

        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            replay = torch.jit.trace(flat, tuple(leaves), check_trace=False)
        fault = next(filter(None, map(_fault, said)), "")
        if not fault and not _equal(flatten(results[-1]), flatten(self._function(*trees))):
            fault = "it gives another result when it is called again"
        if fault:
            warnings.warn(
                f"a part of yours is computed without a recording, which is slower: {fault}", stacklevel=2
            )
        return None if fault else (replay, results[-1])


def _fault(said: warnings.WarningMessage) -> str:
    """Why a recording would not do, by what torch said of it; that sizes become constants is no fault."""
    if not issubclass(said.category, torch.jit.TracerWarning) or str(said.message).startswith("Using len"):
        return ""
    return f"it reads numbers from tensors ({said.filename}, line {said.lineno})"


def _equal(some: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    pairs = zip(some, others, strict=True)
    return all(torch.equal(one.nan_to_num(), other.nan_to_num()) for one, other in pairs)


def traced(function: Function) -> Function:
    """`function` itself where torch no longer records: its authors support that up to Python 3.13."""
    return cast(Function, Traced(function)) if sys.version_info < (3, 14) else function
