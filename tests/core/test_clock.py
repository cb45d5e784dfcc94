"""Counters: what is due, when, and again after a resume."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from btr_tm.core import seeding
from btr_tm.core.clock import GRANTED_AT_ONCE, Clock, Credit, Every, UseCredit
from btr_tm.core.schedule import ReplaySizeSchedule


def test_every_fires_once_per_period_crossed():
    every = Every(100)
    fired = [frames for frames in range(0, 1000, 64) if every(frames)]
    assert fired == [128, 256, 320, 448, 512, 640, 704, 832, 960]


def test_every_fires_once_where_several_periods_pass_at_once():
    every = Every(10)
    assert every(35) and not every(36) and every(40)


def test_every_of_zero_never_fires():
    assert not any(Every(0)(frames) for frames in range(100))


def test_every_keeps_its_place_when_the_period_changes_on_resuming():
    before = Every(100)
    before(250)
    after = Every(40)
    after.load_state_dict(before.state_dict())
    assert not after(270) and after(280)


def test_credit_hands_out_whole_updates_and_keeps_the_rest():
    credit = Credit(48, 0, 1)
    assert [credit.due(frames) for frames in (32, 64, 96, 128, 144)] == [0, 1, 1, 0, 1]


def test_warm_up_earns_nothing_and_leaves_no_burst():
    credit = Credit(10, 1000, 1)
    assert credit.due(990) == 0 and credit.due(1010) == 1 and credit.due(1020) == 1


@pytest.mark.parametrize("per_update", [0.5, 3.0, 7.0])
def test_credit_hands_out_in_total_what_was_earned(per_update):
    credit = Credit(per_update, 64, 1)
    steps = random.Random(0)
    frames = total = 0
    for _ in range(500):
        frames += steps.randrange(1, 40)
        total += credit.due(frames)
    assert total == int((frames - 64) // per_update)


@pytest.mark.parametrize("kind", ["frames", "uses"])
def test_what_a_reset_grants_is_handed_out_in_parts(kind):
    """A run can be stopped between them, and in all there are as many updates as were granted."""
    size = ReplaySizeSchedule([[0, 1000, 0]], speed=1.0)
    credit = Credit(64, 0, 8) if kind == "frames" else UseCredit(64, size, 8, train_share=1.0)
    assert credit.due(6400) in (100, 101)  # the latter at once, on credit
    dues = [credit.due(6400 + 64 * each, 8000) for each in range(1, 7)]
    assert dues == [GRANTED_AT_ONCE + 1] * 3 + [1000 - 3 * GRANTED_AT_ONCE + 1, 1, 1]


def test_clocks_continue_from_their_state():
    credit = Credit(48, 10, 1)
    credit.due(100)
    other = Credit(48, 10, 1)
    other.load_state_dict(credit.state_dict())
    assert [credit.due(f) for f in (120, 200)] == [other.due(f) for f in (120, 200)]
    clock = Clock(5, 6, 7.0, 8.0)
    fresh = Clock()
    fresh.load_state_dict(clock.state_dict())
    assert fresh == clock


def test_streams_depend_on_seed_and_name_only():
    def draw(seed, name):
        return torch.rand(4, generator=seeding.generator(seed, name)).tolist()

    assert draw(0, "replay") == draw(0, "replay")
    assert draw(0, "replay") != draw(0, "policy") != draw(1, "policy")
    assert seeding.stream_seed(0, "replay") == 7658630237099958755


def test_global_generators_return_to_a_saved_state():
    def draw():
        return random.random(), random.gauss(0, 1), np.random.normal(), torch.rand(2).tolist()

    seeding.seed_globals(3)
    draw()
    states = seeding.global_states()
    first = draw()
    seeding.restore_global_states(states)
    assert draw() == first


def test_what_could_not_be_done_is_due_again_and_once():
    every = Every(100)
    assert every(250) and not every(260)
    every.again()
    assert every(270) and not every(280) and every(300)
