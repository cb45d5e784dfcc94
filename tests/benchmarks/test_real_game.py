"""The driver's own time for a decision in the game."""

from __future__ import annotations

from dataclasses import replace

from btr_tm.benchmarks.real_game import SIZES, real_game_rows
from btr_tm.benchmarks.timing import QUICK


def test_a_row_for_each_kind_of_observation() -> None:
    rows = real_game_rows(replace(QUICK, rounds=2, decisions=1))
    assert [row.unit for row in rows] == ["us"] * len(SIZES)
    assert all(0 < row.ours < 1e6 and len(row.times) == 2 for row in rows)
