"""What a replay says about itself."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from btr_tm.replay.sampler.linesight import LinesightPrioritized
from btr_tm.replay.sampler.uniform import Uniform

from .helpers import drive
from .test_buffer import replay
from .test_prioritized import four, one_race

WORKED = [0.06309573, 0.87055091, 1.0000002, 1.5157166]  # |td| = 0, 0.5, 1, 8 with alpha 0.2


def test_priorities_of_the_worked_example() -> None:
    found = {name: float(value) for name, value in four(alpha=0.2, beta=0.4).measure().items()}
    assert found["size"] == 4 and found["capacity"] == 20
    expected = {"min": WORKED[0], "mean": sum(WORKED) / 4, "median": WORKED[1], "max": WORKED[3]}
    expected |= {"q10": WORKED[0], "q98": WORKED[2], "p99_p50": WORKED[2] / WORKED[1], "new": WORKED[3]}
    for name, value in expected.items():
        assert found[f"priority_{name}"] == pytest.approx(value, rel=1e-6), name
    assert found["weight_min"] == pytest.approx(0.28038372 / 1.0, rel=1e-6)  # of the largest weight


def test_a_new_transition_gets_the_priority_that_is_announced() -> None:
    memory = replay(cars=1, capacity=20, sampler=partial(LinesightPrioritized))
    assert memory.measure() == {"size": 0.0, "capacity": 20.0}
    rows = one_race(4)
    for row in rows[:2]:
        memory.add(row)
    for row in rows[2:]:
        announced = float(memory.measure()["priority_new"])
        held = memory._sampler.state["leaves"].clone()
        memory.add(row)
        (got,) = memory._sampler.state["leaves"][(held == 0) & (memory._sampler.state["leaves"] > 0)].tolist()
        assert got == announced
        memory.sample(8)


def test_uniform_sampling_has_no_priorities() -> None:
    memory = replay(cars=2, capacity=40, sampler=Uniform)
    for row in drive(3, 2, torch.Generator().manual_seed(0)):
        memory.add(row)
    assert memory.measure() == {"size": 6.0, "capacity": 40.0}


def test_states_are_drawn_by_the_generator_that_is_given_and_no_other() -> None:
    memory = replay(cars=2, capacity=40)
    for row in drive(9, 2, torch.Generator().manual_seed(0)):
        memory.add(row)
    before = memory._generator.get_state()
    obs, action = memory.draw_states(30, torch.Generator().manual_seed(1))
    again, _ = memory.draw_states(30, torch.Generator().manual_seed(1))
    assert torch.equal(memory._generator.get_state(), before) and torch.equal(obs.floats, again.floats)
    stored = memory.ring.rows["floats"].tolist()
    for floats, taken in zip(obs.floats.tolist(), action.tolist(), strict=True):
        assert int(memory.ring.rows["action"][stored.index(floats)]) == taken
