"""A run keeps its size."""

from __future__ import annotations

import pytest

from btr_tm.benchmarks.memory import growth


def test_growth_is_what_came_after_the_warm_up() -> None:
    frames = list(range(100, 1100, 100))
    assert growth(frames, [10.0 * min(i, 2) for i in range(10)]) == 0.0
    assert growth(frames, [float(i) for i in range(10)]) == 7.0


@pytest.mark.slow
def test_a_run_that_drives_learns_tests_and_saves_keeps_its_size() -> None:
    from btr_tm.cli import memory

    found = memory.measure(200_000)
    assert len(found["frames"]) > 50
    assert growth(found["frames"], found["resident_mib"]) < memory.LIMIT_MIB
