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
    ("action", "got"), [(12, "got 12"), (torch.tensor([0, -1]), "got -1"), ([0.5], "float"), ([True], "bool")]
)
def test_actions_out_of_range_are_refused_in_a_sentence(action, got):
    with pytest.raises(UserError, match=got):
        actions.check_actions(action)
