"""Functions as operations of torch."""

from __future__ import annotations

import importlib

import torch

from btr_tm.core.operations import operation
from btr_tm.nets.encoder import loops


def test_a_name_is_declared_once() -> None:
    doubled = operation("doubled_for_a_test(Tensor x) -> Tensor", lambda x: x * 2)
    again = operation("doubled_for_a_test(Tensor x) -> Tensor", lambda x: x * 3)
    assert again is doubled and doubled(torch.tensor(1.5)).item() == 3.0


def test_a_module_of_operations_can_be_imported_again() -> None:
    before = loops.max_pool
    assert importlib.reload(loops).max_pool is before
