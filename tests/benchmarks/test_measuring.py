"""Every section measures something, in the smallest size; nobody looks at the speeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

import pytest
import torch

from btr_tm.benchmarks.acting import acting_rows
from btr_tm.benchmarks.collectors import Alone
from btr_tm.benchmarks.flat import flat_rows
from btr_tm.benchmarks.full_size import images_only
from btr_tm.benchmarks.full_step import Aims
from btr_tm.benchmarks.loop import SHARES, loop_rows
from btr_tm.benchmarks.replay import replay_rows
from btr_tm.benchmarks.row import Row
from btr_tm.benchmarks.simulator import simulator_rows
from btr_tm.benchmarks.timing import CPU, CUDA, Effort, Subject
from btr_tm.cli.measuring import bench, bench_parts, bench_sections
from btr_tm.core.errors import UserError

TINY = Effort(
    rounds=1, decisions=1, compile=False, replay_rows=128, loop_frames=128, workers=(1,), collector_s=0.2,
    batch=2, cars=2, matrix=32, copied_mib=1,
)  # fmt: skip


def test_simulator_stands_beside_car_racing_and_compiled_rows_say_left_out() -> None:
    rows = simulator_rows(TINY, [Subject("CarRacing-v3", 2, lambda: None)], cars=2)
    eager = [row for row in rows if "eager" in row.what]
    assert len(eager) == 3 and all(row.ours > 0 for row in eager)
    assert [row.beside for row in eager] == ["CarRacing-v3", "CarRacing-v3", ""]
    kernel = [row for row in rows if "kernel" in row.what]
    assert len(kernel) == 3 and all(row.ours > 0 and row.beside == "eager" for row in kernel)
    assert {row.note for row in rows if "compiled" in row.what} == {"left out"}


def test_without_box2d_the_car_racing_row_says_so() -> None:
    rows = simulator_rows(TINY, [], cars=2)
    assert rows[-1].note == "not installed" and math.isnan(rows[-1].ours)
    assert math.isnan(rows[0].ratio)


def test_replay_keeps_within_its_memory_bound_at_the_size_of_quickstart() -> None:
    parts = bench_parts.parts_of(bench_parts.BTR, {"profile.start_pool": 8, "profile.cars": 8})
    env, transitions = bench_parts.record(parts)
    rows = replay_rows(TINY, {"uniform": parts.replay(env)}, transitions[:4], batch_size=8)
    memory = rows[-1]
    assert memory.unit == "bytes" and memory.target.met(memory.ours), memory
    assert memory.theirs == 40 * 40 + 4 * 184


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every small part at profile=smoke."""
    monkeypatch.setattr(bench_parts, "OTHERS", bench_parts.OTHERS | {"profile": "smoke"})
    monkeypatch.setattr(bench_sections, "WARM_UP", 128)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_shares_of_the_real_loop_add_up() -> None:
    loop, work = bench_parts.loop_of(bench_parts.BTR, {}, warm_up=128)
    rows = loop_rows(TINY, "quickstart", loop, work)
    shares = [row.ours for row in rows if row.unit == "%"]
    assert len(shares) == len(SHARES)
    assert sum(shares) == pytest.approx(100, abs=1)
    assert loop.clock.frames == 256 and loop.clock.updates > 0
    assert rows[2].unit == "GFLOP/s" and rows[2].ours > 0


@pytest.mark.long
@pytest.mark.usefixtures("tiny")
def test_collectors_stand_beside_themselves_without_a_learner() -> None:
    rows = bench_sections.collectors(TINY)
    assert rows[0].unit == "frames/s" and rows[0].ours > 0 and rows[0].theirs > 0
    shares = [row.ours for row in rows if row.unit == "%"]
    assert len(shares) == 3 and sum(shares) == pytest.approx(100, abs=0.1)  # evaluations: none


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    "measure",
    [
        bench_sections.quickstart_step,
        partial(bench_sections.replay, device=CPU),
        partial(bench_sections.full_step, device=CPU, size=images_only((1, 12, 12), 3), aims=Aims()),
        partial(flat_rows, device=CPU),
    ],
)
def test_a_section_builds_its_parts_from_configurations(measure: Callable[[Effort], Iterable[Row]]) -> None:
    rows = list(measure(TINY))
    assert rows and all(row.ours > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_the_loop_for_cuda_runs_on_a_cpu_too(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"profile": "smoke", "profile.cars": 8}
    small |= {"profile.batch_size": 8, "profile.micro_batch": 8, "profile.replay_capacity": 1024}
    monkeypatch.setattr(bench_sections, "CUDA_LOOP", bench_sections.CUDA_LOOP | small)
    monkeypatch.setattr(bench_sections, "CUDA_WARM_UP", 128)
    rows = list(bench_sections.published_loop(TINY, CPU))
    assert rows[0].target.bound == 15_000 and rows[0].ours > 0


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_what_is_measured_on_cuda_can_be_composed(mode: str) -> None:
    parts = bench_parts.parts_of(bench_parts.PUBLISHED, bench_sections.CUDA_LOOP | {"profile.compile": mode})
    frames, batch = parts.profile["frames_per_update"], parts.profile["batch_size"]
    assert (frames, batch) == (64, 256)


def test_on_cuda_all_sections_together_take_less_than_eight_minutes() -> None:
    sections = bench_sections.cuda_sections(CUDA, torch.device("cuda"))
    assert 60 * bench.MINUTES["cuda"] < 480
    assert sum(section.seconds for section in sections[:4]) <= 60 * bench.MINUTES["cuda"]
    names = "atari_learner learner simulator loop rates acting replay".split()
    assert [section.name for section in bench.chosen(sections, None)] == names
    assert [section.name for section in bench.chosen(sections, "loop,rates")] == ["loop", "rates"]
    with pytest.raises(UserError, match="there is no section 'lop'"):
        bench.chosen(sections, "lop")


@pytest.mark.long
def test_atari_stands_beside_its_emulators_or_says_what_is_missing() -> None:
    (row,) = bench_sections.atari(TINY)
    assert row.note == "ale-py is not installed" or (row.ours > 0 and row.of_floor == row.ratio)


@pytest.mark.slow
def test_acting_has_a_floor_for_every_number_of_cars() -> None:
    words = {"profile": "smoke", "profile.start_pool": 1}
    rows = acting_rows(TINY, [bench_parts.driver("quickstart", bench_parts.BTR, words, CPU)])
    assert len(rows) == 3 and all(row.of_floor > 0 for row in rows)


def broken(worker: int, generation: int) -> None:
    raise RuntimeError("nothing to drive")


@pytest.mark.long
def test_a_worker_that_dies_ends_the_measurement(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((EOFError, OSError)):
        Alone(broken, 1)
    assert "nothing to drive" in capfd.readouterr().err
