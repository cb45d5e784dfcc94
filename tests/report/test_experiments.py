"""The tables of the experiments are those that the committed records give, to the byte."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def report(monkeypatch):
    """experiments/report.py, as it runs from the root."""
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT / "experiments"))
    yield importlib.import_module("report")
    for name in ("report", "tables"):
        sys.modules.pop(name, None)


def test_every_table_of_the_experiments_is_made_from_the_committed_records(report) -> None:
    made = dict(report.texts())
    for path, text in made.items():
        assert path.read_bytes() == text.encode(), f"make report writes another {path}"
    tables = {path for path in Path("experiments").glob("*/*.md") if path.name != "README.md"}
    assert tables <= set(made), "a table that no committed command makes"


def test_the_commands_name_only_what_is_committed(report) -> None:
    for command in report.commands():
        paths = [word.partition("=")[2] or word for word in command.words if "experiments/" in word]
        assert paths and not any("runs/" in word for word in command.words)


def test_a_page_without_a_place_for_its_table_is_an_error(report) -> None:
    with pytest.raises(AssertionError, match="x/README.md has no place"):
        report.with_block("# x\n", "x", "| 1 |\n")
