"""Trees of tensors are taken apart and put together again."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.tree import flatten, unflatten


def test_leaves_go_back_to_their_places_and_another_number_of_them_is_refused() -> None:
    tree = (torch.zeros(2), (torch.ones(2), torch.arange(2)))
    leaves = flatten(tree)
    assert [leaf.tolist() for leaf in flatten(unflatten(tree, leaves))] == [[0, 0], [1, 1], [0, 1]]
    with pytest.raises(ValueError, match="2 tensors are too few"):
        unflatten(tree, leaves[:-1])
    with pytest.raises(ValueError, match="4 tensors are too many"):
        unflatten(tree, [*leaves, leaves[0]])
