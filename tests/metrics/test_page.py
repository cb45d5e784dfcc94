"""The page of metrics and the catalogue it is made from."""

from __future__ import annotations

from btr_tm.metrics.catalog import CATALOG
from btr_tm.metrics.page import HEADINGS, PAGE, page, section_of


def test_committed_page_is_the_one_the_catalogue_makes():
    assert PAGE.read_text(encoding="utf-8") == page(), "run make docs"


def test_every_section_has_a_heading_and_every_heading_a_metric():
    assert {section_of(metric) for metric in CATALOG.values()} == set(HEADINGS)


def test_every_metric_has_a_line_that_markdown_can_show():
    lines = page().splitlines()
    for metric in CATALOG.values():
        (line,) = [line for line in lines if line.startswith(f"| `{metric.name}` |")]
        assert line.count("|") == 6
