from __future__ import annotations

import numpy as np
import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.race import actions, actions_kernel


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


def test_parts_of_a_turn_are_added_to_each_of_the_pedals():
    every = torch.arange(actions.ALL)
    held = actions.keys(every)
    assert torch.equal(held, actions.ALL_ROWS) and torch.equal(actions.rows(held), every)
    assert held[12:].tolist() == [
        [gas, brake, left, right]
        for part in (0.5, 0.25, 0.75)
        for gas, brake in ((1, 0), (0, 0), (0, 1), (1, 1))
        for left, right in ((part, 0), (0, part))
    ]
    assert actions.only_gas(every).nonzero()[:, 0].tolist() == [0, 1, 2, 12, 13, 20, 21, 28, 29]
    for levels, count in ((1, 12), (2, 20), (4, 36)):
        assert actions.count(levels) == count
        assert set(held[:count, 3].tolist()) - {0.0} == set(actions.ways(levels))
    with pytest.raises(UserError, match="env.steer_levels must be 1 .*, 2 .* or 4 .*, got 3"):
        actions.count(3)
    actions.check_actions(19, 20)
    with pytest.raises(UserError, match="from 0 to 19 .*got 20"):
        actions.check_actions(20, 20)


def test_kernels_read_the_same_keys():
    for action, row in enumerate(actions.ALL_ROWS.tolist()):
        assert list(actions_kernel.held_keys.py_func(action)) == row
        assert actions_kernel.only_gas.py_func(action) == bool(actions.only_gas(torch.tensor(action)))


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
