"""Whole sweeps, and arms of which something is missing: the rest is compared, and a sentence says why."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from btr_tm.cli.commands.compare import main
from btr_tm.core.errors import UserError
from btr_tm.report import compare, compare_plots, compare_text, compare_verdicts
from btr_tm.report.arms import track_of
from btr_tm.report.reading import read_arms
from btr_tm.run import status
from btr_tm.run.status import Status

from .written_runs import write_arm, write_run

LONG = (0.1, 0.3, 0.5, 0.7, 0.9)
NO_TIMES = (None,) * 5


def compared(*arguments: str, metrics=(), axis="frames", base="", track="") -> compare.Comparison:
    return compare.compare(read_arms(arguments, base, track), metrics, axis)


def write_sweep(folder: Path, lifts: dict[str, float], seeds: int = 2) -> str:
    for arm, lift in lifts.items():
        write_arm(folder / arm, [[height * lift for height in LONG]] * seeds, times=NO_TIMES)
    return str(folder)


def change(folder: Path, **config) -> None:
    """Another configuration of an arm that is written already."""
    for path in folder.glob("*/manifest.json"):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(manifest | {"config": manifest["config"] | config}), encoding="utf-8")


def shorten(run: Path, evaluations: int, said: Status | None = None) -> None:
    """The run as if it had not ended."""
    lines = (run / "record.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (run / "record.jsonl").write_text("".join(lines[: 2 * evaluations]), encoding="utf-8")
    (run / "summary.json").unlink()
    if said:
        status.write(run, said)


def test_the_base_comes_first_and_the_others_by_their_effect(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "s", {"no_impala": 0.5, "base": 0.8, "no_noisy": 1.0, "no_maxpool": 0.9})
    comparison = compared(sweep)
    assert [arm.label for arm in comparison.arms] == ["base", "no_noisy", "no_maxpool", "no_impala"]
    assert [len(figures.area) for figures in comparison.figures] == [2, 2, 2, 2]
    starts = [sentence.split(":")[0] for sentence in compare_verdicts.verdicts(comparison)]
    assert starts[0] == "Area of no_noisy / area of base"
    other = compared(sweep, base="no_maxpool")
    assert [arm.label for arm in other.arms] == ["no_maxpool", "no_noisy", "base", "no_impala"]
    with pytest.raises(UserError, match="no arm is called 'btr'; --base is one of base, no_impala"):
        compared(sweep, base="btr")


def test_of_times_and_losses_the_smaller_one_is_better(tmp_path: Path) -> None:
    for arm, time_s in {"base": 30.0, "slow": 35.0, "fast": 25.0}.items():
        write_arm(tmp_path / "s" / arm, [LONG] * 2, times=[time_s] * 5)
    ordered = compared(str(tmp_path / "s"), metrics=["eval/canonical_time_s"]).arms
    assert [arm.label for arm in ordered] == ["base", "fast", "slow"]


def test_a_labelled_sweep_labels_all_its_arms(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "s", {"base": 0.8, "no_noisy": 1.0})
    assert [arm.label for arm in read_arms([f"new={sweep}", f"old={sweep}"]).arms] == [
        "new/base", "new/no_noisy", "old/base", "old/no_noisy",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Status("running"), "(ended without a word: its process is gone; the same command continues it)"),
        (Status("failed", "Traceback\nOSError: no space left"), "(failed: OSError: no space left)"),
        (Status("stopped"), "(stopped)"),
        (None, "(it has no summary)"),
    ],
)
def test_one_run_that_has_not_ended_costs_neither_window_nor_mean(tmp_path: Path, said, words: str) -> None:
    sweep = write_sweep(tmp_path / "s", {"base": 0.8, "no_noisy": 1.0}, seeds=3)
    shorten(tmp_path / "s" / "no_noisy" / "s1", 2, said)
    comparison = compared(sweep)
    assert comparison.window == (1000, 5000)
    assert comparison.arms[1].names() == ["no_noisy/s0", "no_noisy/s2"]
    assert comparison.figures[1].area == pytest.approx([0.5, 0.5])
    assert comparison.left_out == [
        f"no_noisy/s1 is left out: it was measured from 1k to 2k frames {words}, and the others from 1k to 5k"
    ]
    assert f"{comparison.left_out[0]}." in compare_text.notes(comparison)


def test_runs_that_all_go_on_are_compared_as_far_as_they_are(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "s", {"base": 0.8, "no_noisy": 1.0})
    for arm, seed in (("base", 0), ("base", 1), ("no_noisy", 0), ("no_noisy", 1)):
        shorten(tmp_path / "s" / arm / f"s{seed}", 3 + seed)
    comparison = compared(sweep)
    assert comparison.window == (1000, 3000) and not comparison.left_out
    assert any(
        "Not ended, and used as far as they are: base/s0 (it" in n for n in compare_text.notes(comparison)
    )


def test_an_arm_without_a_run_that_ended_shortens_nothing(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "s", {"base": 0.8, "new": 1.0, "no_noisy": 1.0})
    for seed in (0, 1):
        shorten(tmp_path / "s" / "new" / f"s{seed}", 2)
    comparison = compared(sweep)
    assert [arm.label for arm in comparison.arms] == ["base", "no_noisy"] and comparison.window == (
        1000,
        5000,
    )
    assert [sentence.split(" is")[0] for sentence in comparison.left_out] == ["new/s0", "new/s1"]


def test_a_shorter_budget_is_the_window_and_said(tmp_path: Path) -> None:
    short = write_arm(tmp_path / "short", [LONG[:3]] * 2, times=NO_TIMES[:3])
    comparison = compared(write_sweep(tmp_path / "s", {"base": 1.0}), short)
    assert comparison.window == (1000, 3000)
    assert any("Runs end at 3k to 5k frames" in note for note in compare_text.notes(comparison))


def test_arms_on_another_track_are_left_out(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "s", {"base": 0.8, "hills": 1.0, "no_noisy": 0.9})
    for arm, track in {"base": "a01", "hills": "my/hills.yaml", "no_noisy": "A01"}.items():
        change(tmp_path / "s" / arm, track={"name_or_path": track})
    comparison = compared(sweep)
    assert [arm.label for arm in comparison.arms] == ["base", "no_noisy"]
    assert comparison.left_out == [
        "hills is left out: it drove on my/hills.yaml and base on a01, so that their races cannot be compared"
    ]


def test_games_of_other_environments_are_tracks_too(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "s", {"base": 0.8, "other": 1.0})
    change(tmp_path / "s" / "base", env={"_target_": "x", "game": "MsPacman"})
    change(tmp_path / "s" / "other", env={"_target_": "x", "game": "CrazyClimber"})
    (arm,), left_out = read_arms([sweep])
    assert track_of(arm) == "mspacman" and "it drove on crazyclimber and base on mspacman" in left_out[0]


def test_the_track_of_records_can_be_named(tmp_path: Path) -> None:
    write_run(tmp_path / "run", 0, LONG, (None, None, 30.0, 28.0, 27.0))
    (tmp_path / "run" / "record.jsonl").rename(tmp_path / "btr_s0.jsonl")
    assert compared(f"{tmp_path}/btr").figures[0].author_s == 23.45, "of the races themselves"
    assert compared(f"{tmp_path}/btr", track="a01").figures[0].author_s == 23.09, "as shipped today"


def test_what_is_missing_or_without_the_metric_is_said_and_the_rest_compared(tmp_path: Path, capsys) -> None:
    first, second = write_arm(tmp_path / "base"), write_arm(tmp_path / "off")
    write_run(tmp_path / "bare" / "s0")
    path = tmp_path / "bare" / "s0" / "record.jsonl"
    path.write_text(re.sub('"eval/[^,]*, ?', "", path.read_text(encoding="utf-8")), encoding="utf-8")
    write_run(tmp_path / "mixed" / "s0")
    write_run(tmp_path / "mixed" / "s1", 1, gamma=0.9)
    arguments = [first, f"{tmp_path}/nowhere", second, f"{tmp_path}/bare", f"{tmp_path}/mixed"]
    main([*arguments, "--metric", "eval/progress_mean", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    assert f"{tmp_path}/nowhere is left out: there is no {tmp_path}/nowhere." in said
    assert "bare is left out: it has no eval/progress_mean; name another one, for example race/races." in said
    assert (
        "mixed is left out: s1 in mixed has another configuration than s0 (gamma: 0.99 -> 0.9); put" in said
    )
    assert "| base |" in said and "| off  |" in said and "Area of off / area of base" in said


def test_one_run_has_no_interval_and_that_is_said(tmp_path: Path) -> None:
    comparison = compared(write_arm(tmp_path / "a"), f"{write_arm(tmp_path / 'b')}/s0")
    row = compare_text.table(comparison).splitlines()[3]
    assert row.startswith("| b/s0 ") and "[" not in row
    assert (
        "b/s0: one run, so that no interval can be given; a difference may be chance. Train more seeds."
        in compare_text.notes(comparison)
    )


def test_the_legend_of_fourteen_arms_is_whole(tmp_path: Path, monkeypatch) -> None:
    names = [f"convention.munchausen_entropy_tau=0.{i:02},encoder=none,plus_munchausen" for i in range(12)]
    names += ["base", "convention." + "very_long_" * 14 + "name=1"]
    sweep = write_sweep(tmp_path / "s", dict.fromkeys(names, 1.0))
    drawn: list[Figure] = []
    monkeypatch.setattr(compare_plots, "save", lambda figure, path: drawn.append(figure))
    comparison = compared(sweep, metrics=["eval/progress_mean"])
    compare_plots.draw(comparison, "x")
    compare_plots.draw_one(comparison, "eval/progress_mean", "x")
    for figure in drawn:
        figure.draw_without_rendering()
        (legend,) = figure.legends
        assert len(legend.get_texts()) == 14
        box, page = legend.get_window_extent(), figure.bbox
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and box.y1 <= page.y1
        panel = figure.axes[0].get_window_extent()
        assert panel.height > 100 and panel.y1 < box.y0, "it covers no curve"
    strokes = {(compare_plots.colour(i), compare_plots.stroke(i)) for i in range(14)}
    assert len(strokes) == 14
