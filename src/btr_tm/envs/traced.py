"""Records a function of tensors once and replays it without Python, at half the cost of small operations."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor

from btr_tm.core.tree import Leaves, Tree, flatten, unflatten

Recorded = Callable[..., tuple[Tensor, ...]]
Function = TypeVar("Function", bound=Callable)


class Traced(Generic[Tree]):
    """`function` of trees of tensors, whose result depends on them alone; the same operations, same numbers.

    Recorded anew for every combination of shapes, which takes a quarter of a second each. What it returns
    must not be changed in place.
    """

    def __init__(self, function: Callable[..., Tree]) -> None:
        self._function = function
        self._recorded: dict[tuple[torch.Size, ...], tuple[Recorded, Tree]] = {}

    def __reduce__(self) -> tuple[type[Traced], tuple[Callable[..., Tree]]]:
        return Traced, (self._function,)  # recordings cannot be pickled

    def __call__(self, *trees: Leaves) -> Tree:
        leaves = flatten(trees)
        shapes = tuple(leaf.shape for leaf in leaves)
        if shapes not in self._recorded:
            self._recorded[shapes] = self._record(trees, leaves)
        replay, like = self._recorded[shapes]
        with torch.jit.optimized_execution(False):  # nothing to gain here, and it would take as long again
            return unflatten(like, list(replay(*leaves)))

    def _record(self, trees: tuple[Leaves, ...], leaves: list[Tensor]) -> tuple[Recorded, Tree]:
        """The recording, and a result whose structure later results have."""
        results: list[Tree] = []

        def flat(*values: Tensor) -> tuple[Tensor, ...]:
            results.append(self._function(*unflatten(trees, list(values))))
            return tuple(flatten(results[-1]))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated; sizes become constants
            replay = torch.jit.trace(flat, tuple(leaves), check_trace=False)
        return replay, results[-1]


def traced(function: Function) -> Function:
    """`function` itself where torch no longer records: its authors support that up to Python 3.13."""
    return cast(Function, Traced(function)) if sys.version_info < (3, 14) else function
