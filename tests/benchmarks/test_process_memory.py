"""A run keeps its size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from btr_tm.benchmarks.process_memory import growth


def test_growth_is_what_came_after_the_warm_up() -> None:
    frames = list(range(100, 1100, 100))
    assert growth(frames, [10.0 * min(i, 2) for i in range(10)]) == 0.0
    assert growth(frames, [float(i) for i in range(10)]) == 7.0


@pytest.mark.slow
def test_a_run_that_drives_learns_tests_and_saves_keeps_its_size(tmp_path: Path) -> None:
    """In a process of its own: what other tests have freed would hide or feign growth."""
    words = ["-m", "btr_tm.cli.measuring.process_memory", "--frames", "200000", "--folder", str(tmp_path)]
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=False)
    found = json.loads((tmp_path / "memory.json").read_text(encoding="utf-8"))
    assert len(found["frames"]) > 50
    assert found["growth_mib"] < 8.0, "50 bytes per frame, while the allocator still settles"
