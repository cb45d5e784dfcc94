"""The page of an ablation: its verdicts, its forest and its figures."""

from __future__ import annotations

import math

import pytest

from btr_tm.metrics.stats import Interval
from btr_tm.report.ablation import costs
from btr_tm.report.ablation.model import Cost
from btr_tm.report.ablation.study import analyse
from btr_tm.report.ablation.words import answer
from btr_tm.report.html.of_study import differences, edge_of, figures, forest, page, percent, whisker
from tests.report.ablation.sweeps import write_sweep
from tests.report.html.test_page import outline

STUDY = {"base": 0.7, "no_noisy": 0.8, "no_impala": 0.6, "iqn": 0.75, "iqn,plus_noisy": 0.65}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    made = write_sweep(tmp_path_factory.mktemp("sweep") / "study", STUDY, seeds=5)
    costs.write(made, {}, {arm: Cost(70.0 if "impala" in arm else 100.0, 69.0, 101.0) for arm in STUDY})
    return analyse(made)


def test_the_page_holds_the_answer_every_family_and_every_note(study) -> None:
    found = outline(page(study))
    assert answer(study) in found.texts
    for note in study.notes:
        assert note in found.texts
    captions = [text for text in found.texts if "right is better" in text]
    assert [text.partition(":")[0] for text in captions] == [
        "Removing one ingredient",
        "Adding one ingredient",
        "Removing several ingredients",
    ]
    assert {"IMPALA", "NoisyLinear", "helps", "hurts"} <= set(found.texts)


def test_verdicts_have_their_interval_beside_the_zero(study) -> None:
    plot = forest(study, study.effects_of("area", "removing one ingredient"))
    rows = {row.row.name: row for row in plot.rows}
    assert rows["IMPALA"].kind == "helps" and rows["NoisyLinear"].kind == "hurts"
    frames, compute = rows["IMPALA"].whiskers
    assert frames.low < frames.value < frames.high < plot.zero == 50.0
    assert frames.label.endswith("at equal frames") and compute.label.endswith("at equal compute")
    cells = dict(zip(plot.headings, rows["IMPALA"].row.cells, strict=True))
    assert cells["verdict"].text == "helps" and cells["seeds"].text == "5, 5"
    assert cells["at equal frames"].order == rows["IMPALA"].order < 0


def test_columns_in_which_nothing_stands_are_left_out(study) -> None:
    bare = study._replace(costs={}, effects=tuple(e for e in study.effects if e.measure != "compute_area"))
    plot = forest(bare, bare.effects_of("area", "adding one ingredient"))
    assert "at equal compute" not in plot.headings
    assert all(len(row.row.cells) == len(plot.headings) for row in plot.rows)


def test_removing_and_adding_share_a_scale(study) -> None:
    families = ("removing one ingredient", "adding one ingredient", "removing several ingredients")
    assert len({forest(study, study.effects_of("area", family)).ticks for family in families}) == 1


def test_intervals_that_leave_the_plot_are_cut_and_missing_ones_are_not_drawn(study) -> None:
    effect = study.effects_of("area")[0]
    wide = effect._replace(difference=Interval(0.1, -9.0, 9.2))
    assert edge_of([wide]) == pytest.approx(1.08 * 0.3)
    assert percent(9.2, 0.3) == 100.0 and percent(-9.0, 0.3) == 0.0
    assert whisker(Interval(0.1, -math.inf, math.inf), 1.0, "here")[:3] == (55.0, None, None)
    assert whisker(Interval(math.nan, math.nan, math.nan), 1.0, "here")[:3] == (None, None, None)
    assert edge_of([effect._replace(difference=Interval(math.nan, math.nan, math.nan))]) == 1.0


def test_figures_sort_by_their_means_and_missing_ones_have_no_order(study) -> None:
    table = figures(study)
    column = table.headings.index("best canonical time (s)")
    for row, arm in zip(table.rows, study.arms, strict=True):
        mean = arm.summaries["best_time_s"].mean.value
        assert row.cells[column].order == (mean if math.isfinite(mean) else None)
    assert table.headings[-1] == "update, measured (CPU ms)" and table.rows[0].cells[-1].order == 100.0


def test_differences_are_said_in_words_and_setting_by_setting(study) -> None:
    found = {part.name: part for part in differences(study)}
    assert found["no_noisy"].against == "base" and found["no_noisy"].summary == "without NoisyLinear"
    assert found["no_noisy"].lines == (
        "head.linear._target_: btr_tm.nets.linear.Noisy -> btr_tm.nets.linear.Plain",
    )


def test_a_single_arm_makes_a_page_without_effects(tmp_path) -> None:
    study = analyse(write_sweep(tmp_path / "one", {"base": 0.7}, seeds=1))
    assert "There is only one arm" in page(study)
