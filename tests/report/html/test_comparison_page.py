"""The page of a comparison of arms."""

from __future__ import annotations

from pathlib import Path

import pytest

from btr_tm.cli.commands.compare import main
from btr_tm.report.compare import compare
from btr_tm.report.compare_text import notes
from btr_tm.report.compare_verdicts import verdicts
from btr_tm.report.html import differences
from btr_tm.report.html.of_comparison import figures, page, title
from btr_tm.report.reading import read_arms
from tests.report.html.pages import arms_of, write_run
from tests.report.html.test_page import outline


@pytest.fixture
def comparison(tmp_path: Path):
    arms_of(tmp_path / "runs", races=False)
    return compare(read_arms([str(tmp_path / "runs")]), [], "frames")


def test_the_page_says_what_the_comparison_says(comparison) -> None:
    found = outline(page(comparison))
    text = next(each for each in found.texts if each.startswith("2 arms, 3 runs on a01, compared by "))
    assert verdicts(comparison)[0] in text
    for note in notes(comparison):
        assert note in found.texts
    assert "gamma: absent -> 0.9" in found.texts


def test_its_table_sorts_by_means_and_what_never_happened_comes_last(comparison) -> None:
    table = figures(comparison)
    best = table.headings.index("best canonical time (s)")
    base, plain = table.rows
    assert base.cells[best].order == 25.0
    assert plain.cells[best].order is None and plain.cells[best].text == "never finished"


def test_many_arms_have_a_short_title_and_their_verdicts_below(tmp_path: Path) -> None:
    for i in range(6):
        write_run(tmp_path / f"arm{i}" / "s0", heights=(0.1, 0.2, 0.1 * i))
    found = compare(read_arms([str(tmp_path)]), [], "frames")
    assert title(found).endswith(" and 5 others")
    texts = outline(page(found)).texts
    assert set(verdicts(found)) <= set(texts)


def test_a_metric_of_another_program_has_its_curve(tmp_path: Path) -> None:
    run = write_run(tmp_path / "theirs" / "s0")
    record = run / "record.jsonl"
    record.write_text(
        record.read_text(encoding="utf-8").replace("learner/loss", "Their/loss"), encoding="utf-8"
    )
    found = compare(read_arms([str(run.parent)]), ["Their/loss"], "frames")
    labels = [attrs.get("aria-label") or "" for attrs in outline(page(found)).all("svg")]
    assert any(label.startswith("Their/loss over frames") for label in labels)


def test_configurations_that_were_not_kept_are_not_called_equal(tmp_path: Path) -> None:
    for name in ("mine", "theirs"):
        record = write_run(tmp_path / name / "s0") / "record.jsonl"
        (tmp_path / "kept").mkdir(exist_ok=True)
        record.rename(tmp_path / "kept" / f"{name}_s0.jsonl")
    found = compare(read_arms([str(tmp_path / "kept")], track="a01"), [], "frames")
    (part,) = differences.parts(found.arms)
    assert part.summary == "not known, because the manifest was not kept" and part.lines == ()


def test_the_command_writes_the_page_where_it_is_asked_for(tmp_path: Path, capsys) -> None:
    arms_of(tmp_path / "runs", races=False)
    main([str(tmp_path / "runs"), "--out", str(tmp_path)])
    assert not (tmp_path / "comparison.html").exists()
    main([str(tmp_path / "runs"), "--out", str(tmp_path), "--html"])
    assert str(tmp_path / "comparison.html") in capsys.readouterr().out
    assert "</html>" in (tmp_path / "comparison.html").read_text(encoding="utf-8")
