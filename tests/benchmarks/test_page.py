"""docs/performance.md and the measurements it is made from."""

from __future__ import annotations

import json
import math

from btr_tm.benchmarks.page import MEASURED, PAGE, machine_line, markdown, page
from btr_tm.benchmarks.row import Row, Target, row_of


def test_committed_page_is_the_one_the_measurements_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run make docs"


def test_every_committed_measurement_can_be_read_and_says_where_it_was_made() -> None:
    files = sorted(MEASURED.glob("*.json"))
    assert files
    for path in files:
        content = json.loads(path.read_text(encoding="utf-8"))
        assert {"date", "cpu", "cores", "torch"} <= set(content["machine"]), path
        assert all(row_of(plain).what for plain in content["rows"]), path


def test_a_row_survives_json() -> None:
    row = Row("update", "ms", 2.0, "eager", 8.0, Target(3, at_least=False), "", (0.1, 0.2), floor=1.0)
    assert row_of(json.loads(json.dumps(row.plain()))) == row
    empty = row_of(json.loads(json.dumps(Row("car", "s", math.nan, note="left out").plain())))
    assert empty.cells() == ["car", "s", "left out", "", "", "", "", ""]


def test_rows_of_before_floors_were_measured_can_be_read() -> None:
    plain = Row("update", "ms", 2.0).plain()
    del plain["floor"], plain["of_floor"]
    assert math.isnan(row_of(plain).floor)


def test_a_table_has_a_line_per_row_and_aligns_figures_right() -> None:
    lines = markdown([Row("update", "ms", 2.0, "eager", 8.0, Target(3, at_least=False), floor=1.0)])
    assert lines[1] == "| --- | --- | ---: | ---: | ---: | ---: | --- | ---: |"
    assert lines[2] == "| update | ms | 2 | 8 eager | 0.25 | 50 % | <= 3 | yes |"


def test_what_the_machine_does_not_know_is_left_out() -> None:
    assert machine_line({"cpu": "EPYC", "load": None, "cores": 2}) == "cpu EPYC, cores 2."
