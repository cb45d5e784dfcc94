"""What prioritised replay is told, both ways."""

from __future__ import annotations

import pytest
import torch

from btr_tm.agent.batch_loss import Errors
from btr_tm.agent.priority import MeanError, SummedError

from ..nets.helpers import ALL_OFF, network, random_batch
from .helpers import learner


def errors() -> Errors:
    """Two samples: target quantiles (0.5, 2.5), and their opposites, against predictions (0, 1)."""
    q = torch.tensor([[9.0, 0.5], [0.5, 9.0]])
    return Errors(torch.zeros(2), torch.tensor([2.5, 2.5]), torch.tensor([1.5, -1.5]), q)


def test_worked_numbers_of_both() -> None:
    """sum_i mean_j |y_j - z_i| = 2.5, |mean y - mean z| = 1 and 2."""
    action = torch.tensor([1, 0])
    y, z = torch.tensor([0.5, 2.5]), torch.tensor([0.0, 1.0])
    assert (y - z[:, None]).abs().mean(1).sum() == 2.5
    assert SummedError()(errors(), action).tolist() == [2.5, 2.5]
    assert MeanError()(errors(), action).tolist() == [1.0, 2.0]


def test_the_mean_error_of_a_block_is_that_of_its_sum() -> None:
    q = torch.tensor([[[1.0, 2.0], [3.0, 5.0]]])  # (B, K, A)
    found = Errors(torch.zeros(1), torch.zeros(1), torch.tensor([10.0]), q)
    assert MeanError()(found, torch.tensor([[1, 0]])).tolist() == [5.0]


@pytest.mark.parametrize("priority", [SummedError(), MeanError()])
def test_the_learner_hands_out_the_one_it_was_given(priority) -> None:
    batch = random_batch(5)
    told = learner(network(**ALL_OFF), priority_error=priority).update(batch).priority
    other = learner(network(**ALL_OFF)).update(batch).priority
    assert told.shape == (5,) and bool((told >= 0).all())
    assert torch.equal(told, other) == (priority == SummedError())
