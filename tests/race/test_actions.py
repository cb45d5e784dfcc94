from __future__ import annotations

import numpy as np
import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.race import actions


def test_the_table_has_the_published_order():
    names = [
        " ".join(name for name, held in zip(actions.KEYS, row, strict=True) if held)
        for row in actions.TABLE.tolist()
    ]
    assert names == [
        "accelerate",
        "accelerate left",
        "accelerate right",
        "",
        "left",
        "right",
        "brake",
        "brake left",
        "brake right",
        "accelerate brake",
        "accelerate brake left",
        "accelerate brake right",
    ]


def test_keys_are_the_rows_of_the_table_in_any_shape():
    every = torch.arange(12)
    assert torch.equal(actions.keys(every), actions.TABLE)
    assert torch.equal(actions.keys(every.view(3, 4)), actions.TABLE.view(3, 4, 4))


@pytest.mark.parametrize("action", [0, 11, [3, 4], np.arange(12), torch.zeros(0, dtype=torch.int64)])
def test_valid_actions_pass(action):
    actions.check_actions(action)


@pytest.mark.parametrize(
    ("action", "got"),
    [
        (12, r"must be from 0 to 11 .*got 12"),
        (torch.tensor([0, -1]), r"must be from 0 to 11 .*got -1"),
        ([0.5], "from 0 to 11, got .*float"),
        ([True], "from 0 to 11, got .*bool"),
    ],
)
def test_actions_out_of_range_are_refused_in_a_sentence(action, got):
    with pytest.raises(UserError, match=got):
        actions.check_actions(action)


@pytest.mark.parametrize(
    ("offsets_ms", "shape"), [([0], ()), ((0, 10), (2,)), ([0, 10, 20], (3,)), ([0, 10, 20, 30, 40], (5,))]
)
def test_offsets_of_every_tick_are_a_block_and_one_is_a_single_action(offsets_ms, shape):
    assert actions.block(offsets_ms) == shape


@pytest.mark.parametrize(
    "offsets_ms", [[], [10], [0, 20], [0, 10, 10], [0, 10, 30], [1, 11], 0, None, {0: 0}]
)
def test_offsets_with_a_hole_are_refused_in_a_sentence(offsets_ms):
    with pytest.raises(UserError, match="action_offsets_ms"):
        actions.block(offsets_ms)
