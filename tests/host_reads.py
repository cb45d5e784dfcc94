"""Refuses what makes the host wait for a device; on a CPU, where nothing else would notice."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
READS = {aten._local_scalar_dense, aten.nonzero, aten.is_nonzero, aten.equal, aten.masked_select}
READS |= {aten.lift_fresh, aten._unique2, aten.unique_dim, aten.repeat_interleave}  # torch.tensor() is a copy


class HostReads(TorchDispatchMode):
    """An AssertionError for each, while this lasts."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func.overloadpacket not in READS, f"{func} makes the host wait"
        if func.overloadpacket in (aten.index, aten.index_put, aten.index_put_):
            assert all(t.dtype != torch.bool for t in tensors(args[1])), "the host counts what a mask takes"
        return func(*args, **(kwargs or {}))


def tensors(tree: Any) -> list[Tensor]:
    """Those in `tree` that hold a number."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor) and leaf.numel()]
