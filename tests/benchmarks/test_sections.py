"""A section that takes too long, or fails, costs its own rows only."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from multiprocessing import get_context

import psutil
import pytest

from btr_tm.benchmarks.row import Row
from btr_tm.benchmarks.sections import Section, measured


def two(first: float) -> Iterator[Row]:
    yield Row("one", "s", first)
    yield Row("two", "s", 2.0)


def stuck() -> Iterator[Row]:
    yield Row("before", "s", 1.0)
    time.sleep(600)


def broken() -> Iterator[Row]:
    yield Row("before", "s", 1.0)
    raise ValueError("on purpose")


@pytest.mark.long
def test_what_was_measured_before_the_end_is_kept_and_the_rest_says_why() -> None:
    sections = [
        Section("stuck", 20.0, stuck),
        Section("broken", 60.0, broken),
        Section("good", 60.0, two, (7.0,)),
    ]
    rows = list(measured(sections, total_seconds=200))
    assert [row.what for row in rows] == ["before", "stuck", "before", "broken", "one", "two"]
    assert rows[1].note == "the rest was left out after 20 s" and "failed" in rows[3].note
    assert rows[4].ours == 7.0


def test_nothing_begins_after_the_last_second() -> None:
    (row,) = measured([Section("late", 10.0, two, (1.0,))], total_seconds=0)
    assert row.what == "late" and row.note == "left out: no time left"


def who() -> Iterator[Row]:
    yield Row("process", "", float(os.getpid()))
    time.sleep(600)


def measure_and_wait(pipe) -> None:
    for row in measured([Section("who", 300.0, who)], total_seconds=300):
        pipe.send(row.ours)


def test_a_section_does_not_outlive_a_benchmark_that_is_killed() -> None:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    benchmark = context.Process(target=measure_and_wait, args=(theirs,))
    benchmark.start()
    section = psutil.Process(int(ours.recv()))
    benchmark.kill()
    section.wait(timeout=60)
    assert not section.is_running()
