"""Every section measures something, in the smallest size; nobody looks at the speeds."""

from __future__ import annotations

import math

import pytest

from btr_tm.benchmarks.loop import SHARES, loop_rows
from btr_tm.benchmarks.replay import replay_rows
from btr_tm.benchmarks.simulator import simulator_rows
from btr_tm.benchmarks.timing import Effort, Subject
from btr_tm.cli import bench

TINY = Effort(
    rounds=1, decisions=1, compile=False, replay_rows=128, loop_frames=128, workers=(1,), collector_s=0.2
)


def test_simulator_stands_beside_car_racing_and_compiled_rows_say_left_out() -> None:
    rows = simulator_rows(TINY, [Subject("CarRacing-v3", 2, lambda: None)], cars=2)
    eager = [row for row in rows if "eager" in row.what]
    assert len(eager) == 3 and all(row.ours > 0 and row.beside == "CarRacing-v3" for row in eager)
    assert {row.note for row in rows if "compiled" in row.what} == {"left out"}


def test_without_box2d_the_car_racing_row_says_so() -> None:
    rows = simulator_rows(TINY, [], cars=2)
    assert rows[-1].note == "not installed" and math.isnan(rows[-1].ours)
    assert math.isnan(rows[0].ratio)


def test_replay_keeps_within_its_memory_bound_at_the_size_of_quickstart() -> None:
    parts = bench._parts(bench.BTR, **{"profile.start_pool": 8, "profile.cars": 8})
    env, transitions = bench._record(parts)
    rows = replay_rows(TINY, {"uniform": parts.replay(env)}, transitions[:4], batch_size=8)
    memory = rows[-1]
    assert memory.unit == "bytes" and memory.target.met(memory.ours), memory
    assert memory.theirs == 40 * 40 + 4 * 184


@pytest.mark.slow
def test_shares_of_the_real_loop_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "OTHERS", bench.OTHERS | {"profile": "smoke"})
    monkeypatch.setattr(bench, "WARM_UP", 128)
    loop = bench._loop()
    rows = loop_rows(TINY, "quickstart", loop)
    shares = [row.ours for row in rows if row.unit == "%"]
    assert len(shares) == len(SHARES)
    assert sum(shares) == pytest.approx(100, abs=1e-3)
    assert loop.clock.frames == 256 and loop.clock.updates > 0


@pytest.mark.slow
def test_collectors_stand_beside_themselves_without_a_learner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "OTHERS", bench.OTHERS | {"profile": "smoke"})
    monkeypatch.setattr(bench, "WARM_UP", 128)
    rows = bench._collectors(TINY)
    assert rows[0].unit == "frames/s" and rows[0].ours > 0 and rows[0].theirs > 0
    shares = [row.ours for row in rows if row.unit == "%"]
    assert len(shares) == 3 and sum(shares) == pytest.approx(100, abs=1e-3)
