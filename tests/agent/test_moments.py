"""The optimizer begins anew where the target network is copied."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch

from btr_tm.agent.moments import ResetMoments

from ..nets.helpers import ALL_ON, network, random_batch
from .helpers import ADAM, hard, learner

RADAM = partial(torch.optim.RAdam, eps=1e-4)


def update(which, number: int) -> None:
    which.update(random_batch(5, number))


@pytest.mark.parametrize("optimizer", [ADAM, RADAM, partial(torch.optim.SGD, momentum=0.9)])
def test_updates_after_a_copy_are_those_of_a_new_optimizer(optimizer) -> None:
    options = {"target_sync": hard(every_updates=3), "optimizer": optimizer, "seed": 0}
    one = learner(network(**ALL_ON), moments=ResetMoments(), **options)
    for number in range(3):
        update(one, number)
    other = learner(network(**ALL_ON), **options)
    state = copy.deepcopy(one.state_dict())
    state["step"]["optimizer"]["state"] = {}  # what a new optimizer remembers
    other.load_state_dict(state)
    for number in range(3, 5):
        update(one, number)
        update(other, number)
    assert torch.equal(one.step.parameters, other.step.parameters)


def test_between_copies_moments_are_kept() -> None:
    one = learner(network(), moments=ResetMoments(), target_sync=hard(every_updates=3))
    counts = []
    for number in range(7):
        update(one, number)
        counts.append(int(one.step.optimizer.state[one.step.parameters]["step"]))
    assert counts == [1, 2, 3, 1, 2, 3, 1]


def test_moments_are_emptied_in_place() -> None:
    one = learner(network(), moments=ResetMoments(), target_sync=hard(every_updates=2))
    update(one, 0)
    before = {name: value.data_ptr() for name, value in one.step.optimizer.state[one.step.parameters].items()}
    update(one, 1)
    update(one, 2)
    after = {name: value.data_ptr() for name, value in one.step.optimizer.state[one.step.parameters].items()}
    assert before == after
