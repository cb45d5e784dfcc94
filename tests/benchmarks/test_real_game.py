"""The driver's own time for a decision in the game."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest

from btr_tm.benchmarks.real_game import SIZES, STEPS, real_game_rows
from btr_tm.benchmarks.timing import QUICK


def test_a_row_for_each_kind_of_observation() -> None:
    rows = real_game_rows(replace(QUICK, rounds=2, decisions=1))
    assert [row.unit for row in rows] == ["us"] * len(SIZES)
    assert all(len(row.times) == 2 for row in rows)
    assert [row.ours for row in rows] == pytest.approx(
        [1e6 * statistics.median(row.times) / STEPS for row in rows]
    )
