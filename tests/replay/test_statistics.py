"""What a replay says about itself."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.schedule import Linear
from btr_tm.replay.sampler.statistics import priority_statistics
from btr_tm.replay.sampler.uniform import Uniform

from .helpers import LINESIGHT, drive, prioritized
from .helpers import build_replay as replay
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
    buffer = replay(cars=1, capacity=20, sampler=LINESIGHT)
    assert buffer.measure() == {"size": 0.0, "capacity": 20.0, "age": 0.0}
    rows = one_race(4)
    for row in rows[:2]:
        buffer.add(row)
    for row in rows[2:]:
        announced = float(buffer.measure()["priority_new"])
        held = buffer._sampler.state["leaves"].clone()
        buffer.add(row)
        (got,) = buffer._sampler.state["leaves"][(held == 0) & (buffer._sampler.state["leaves"] > 0)].tolist()
        assert got == announced
        buffer.sample(8)


def test_uniform_sampling_has_no_priorities() -> None:
    buffer = replay(cars=2, capacity=40, sampler=Uniform)
    for row in drive(3, 2, torch.Generator().manual_seed(0)):
        buffer.add(row)
    assert set(buffer.measure()) == {"size", "capacity", "age"}


def test_states_are_drawn_by_the_generator_that_is_given_and_no_other() -> None:
    buffer = replay(cars=2, capacity=40)
    for row in drive(9, 2, torch.Generator().manual_seed(0)):
        buffer.add(row)
    before = buffer._generator.get_state()
    obs, action = buffer.draw_states(30, torch.Generator().manual_seed(1))
    again, _ = buffer.draw_states(30, torch.Generator().manual_seed(1))
    assert torch.equal(buffer._generator.get_state(), before) and torch.equal(obs.floats, again.floats)
    stored = buffer.ring.rows["floats"].tolist()
    for floats, taken in zip(obs.floats.tolist(), action.tolist(), strict=True):
        assert int(buffer.ring.rows["action"][stored.index(floats)]) == taken


def test_figures_of_a_hundred_and_one_priorities_are_those_of_their_ranks() -> None:
    """Priorities 1 to 101 in any order: the share s lies 100 s above the smallest."""
    shuffled = torch.randperm(101, generator=torch.Generator().manual_seed(0)) + 1.0
    leaves = torch.cat([shuffled, torch.zeros(9)])
    found = priority_statistics(leaves, torch.tensor(7.0), beta=0.5)
    expected = {"min": 1, "q10": 11, "mean": 51, "median": 51, "q75": 76, "q90": 91, "q98": 99, "max": 101}
    expected |= {"p99_p50": 100 / 51, "new": 7}
    assert found.keys() == {f"priority_{name}" for name in expected} | {"weight_min"}
    for name, value in expected.items():
        assert float(found[f"priority_{name}"]) == pytest.approx(value)
    assert float(found["weight_min"]) == pytest.approx((1 / 101) ** 0.5)


def test_the_smallest_weight_follows_the_schedule_of_beta() -> None:
    clock = Clock(frames=500)
    beta = Linear([[0, 0.0], [1000, 1.0]])
    buffer = replay(cars=1, capacity=20, sampler=prioritized(alpha=1.0, beta=beta), clock=clock)
    for row in one_race(2):
        buffer.add(row)
    buffer.update_priorities(torch.arange(2), torch.tensor([0.25, 1.0]))
    assert float(buffer.measure()["weight_min"]) == pytest.approx(0.25**0.5, rel=1e-4)


def test_memory_is_that_of_the_columns_of_a_slot() -> None:
    """6 bytes of image, 4 floats, action, reward, potential, 4 flags, and 4 bytes for its place in the queue;
    1001 slots for each of three cars.
    """
    expected = (6 + 4 * 4 + 3 * 4 + 4 * 1 + 4) * 3003 / 3000
    assert replay(capacity=3000).bytes_per_transition == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    "sampler", [Uniform, prioritized(), LINESIGHT], ids=["uniform", "prioritized", "linesight"]
)
def test_the_age_is_that_of_what_is_drawn(sampler) -> None:
    """After the ring has wrapped, with larger priorities for what is younger; a race never ends."""
    buffer = replay(cars=3, capacity=90, sampler=sampler)
    for number, row in enumerate(drive(70, 3, torch.Generator().manual_seed(0), 0.0, 0.0)):
        buffer.add(row._replace(reward=torch.full((3,), float(number))))
    slot = buffer._sampler.draw(2000).slot
    buffer.update_priorities(slot, buffer.ring.rows["reward"][slot] ** 8)
    drawn = torch.cat([buffer._sampler.draw(2000).slot for _ in range(10)])
    age = (70 - buffer.ring.rows["reward"][drawn]) * 3
    error = 4 * age.std() / len(age) ** 0.5
    assert float(buffer.measure()["age"]) == pytest.approx(float(age.mean()), abs=float(error))
