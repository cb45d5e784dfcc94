"""Timing, rows and table, with numbers worked by hand."""

from __future__ import annotations

import json
import math

import pytest

from btr_tm.benchmarks.machine import machine
from btr_tm.benchmarks.row import NO_TARGET, Row, Target, duration_row, rate_row
from btr_tm.benchmarks.table import HEADINGS, show, write_json
from btr_tm.benchmarks.timing import Subject, Times, interleave


def test_subjects_take_turns_after_one_warm_up_each() -> None:
    calls: list[str] = []
    subjects = [Subject(name, 1, lambda name=name: calls.append(name)) for name in "ab"]
    times = interleave(subjects, rounds=3)
    assert "".join(calls) == "ab" * 4
    assert [len(times[name].seconds) for name in "ab"] == [3, 3]


def test_another_clock_can_time_the_turns() -> None:
    ticks = iter(range(0, 100, 7))
    times = interleave([Subject("a", 1, lambda: None)], rounds=2, clock=lambda: float(next(ticks)))
    assert times["a"].seconds == (7.0, 7.0)


def test_rates_and_durations_come_from_the_median() -> None:
    times = Times(work=10, seconds=(0.5, 100.0, 0.1))
    assert rate_row("speed", "1/s", times).ours == pytest.approx(20)
    assert duration_row("update", times).ours == pytest.approx(50)


@pytest.mark.parametrize(
    ("target", "text", "met"),
    [(Target(20), ">= 20", "yes"), (Target(19, at_least=False), "<= 19", "no"), (NO_TARGET, "", "")],
)
def test_a_row_says_whether_its_target_is_met(target: Target, text: str, met: str) -> None:
    cells = Row("speed", "1/s", 20.0, "eager", 8.0, target).cells()
    assert cells == ["speed", "1/s", "20", "8 eager", "2.50", "", text, met]


def test_what_was_not_measured_says_why_and_is_null_in_json() -> None:
    row = Row("CarRacing-v3", "steps/s", math.nan, target=Target(1), note="not installed")
    assert row.cells() == ["CarRacing-v3", "steps/s", "not installed", "", "", "", ">= 1", ""]
    assert row.plain()["ours"] is None and row.plain()["ratio"] is None


@pytest.mark.parametrize(("unit", "share"), [("ms", "40 %"), ("1/s", "250 %")])
def test_a_time_is_above_its_floor_and_a_speed_below_it(unit: str, share: str) -> None:
    row = Row("update", unit, 20.0, floor=8.0)
    assert row.cells()[5] == share
    assert row.plain()["floor"] == 8.0 and row.plain()["of_floor"] == row.of_floor


def test_table_is_aligned_and_json_holds_every_repetition(tmp_path, capsys) -> None:
    rows = [rate_row("simulator", "decisions/s", Times(10, (1.0, 2.0, 4.0))), Row("long " * 6, "ms", 1234.5)]
    show(rows, machine())
    shown = [line for line in capsys.readouterr().out.splitlines() if line.strip()][-3:]
    ends = [line.index(text) + len(text) for line, text in zip(shown, ("ours", " 5", "1,234"), strict=True)]
    assert len(set(ends)) == 1, shown
    assert all(heading in shown[0] for heading in HEADINGS)
    write_json(tmp_path / "bench.json", rows, machine())
    content = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert content["rows"][0]["seconds"] == [1.0, 2.0, 4.0]
    assert content["machine"]["device"] == "CPU" and content["machine"]["commit"]
    assert content["machine"]["torch"] and content["machine"]["cores"] >= 1
