"""Functions of ours as operations of torch: whoever watches or records operations sees one of them each."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch

_LIBRARY = torch.library.Library("btr_tm", "FRAGMENT")


def operation(schema: str, function: Callable) -> Callable:
    """`function` on tensors of a CPU, as what `schema` declares: "name(Tensor x) -> Tensor".

    A name is declared once: where a module is imported again, it finds the operation that is there.
    """
    name = schema.partition("(")[0]
    if not hasattr(torch.ops.btr_tm, name):
        _LIBRARY.define(schema)
        _LIBRARY.impl(name, function, "CPU")
    return cast(Callable, getattr(torch.ops.btr_tm, name).default)
