"""Tables at equal frames and at equal time."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from btr_tm.cli.commands.compare import main, parser, spacings
from btr_tm.core.errors import UserError
from btr_tm.report import checkpoints, compare
from btr_tm.report.checkpoints import place, runs_at, so_far
from btr_tm.report.reading import read_arms

from .test_sources import DNF, linesight, write_events
from .written_runs import write_arm, write_run

STEADY = (0.2, 0.4, 0.6, 0.8, 1.0)
TIMES = (None, 40.0, None, 30.0, 36.0)


def compared(*arguments: str, metrics=(), axis="frames") -> compare.Comparison:
    return compare.compare(read_arms(arguments), metrics, axis)


def cells(table: str, row: int) -> list[str]:
    return [cell.strip() for cell in table.splitlines()[row + 2].strip("|").split("|")]


def test_checkpoints_are_where_every_run_was_measured(tmp_path: Path) -> None:
    short = write_arm(tmp_path / "short", [STEADY[:3]], times=TIMES[:3])
    late = write_arm(tmp_path / "late", [STEADY], times=TIMES, start=2)
    found = place(compared(short, late), "frames", None)
    assert found.places == [2000, 3000], "the short one ends there, the late one begins there"


def test_a_long_run_has_six_checkpoints_the_last_one_included(tmp_path: Path) -> None:
    arm = write_arm(tmp_path / "long", [[0.5] * 30], times=[None] * 30)
    places = place(compared(arm), "frames", None).places
    assert len(places) == 6 and places[0] == 1000 and places[-1] == 30_000


def test_runs_without_common_points_are_compared_at_round_ones(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "s0", 0, STEADY, TIMES)
    write_run(tmp_path / "b" / "s0", 0, STEADY, TIMES, cpu=2.3)
    found = place(compared(f"{tmp_path}/a", f"{tmp_path}/b", axis="cpu_s"), "cpu_s", None)
    assert found.places == [4, 6, 8, 10], "both cover 2.3 to 10 seconds"


def test_nothing_is_extrapolated(tmp_path: Path) -> None:
    comparison = compared(write_arm(tmp_path / "a", [STEADY], times=TIMES))
    assert place(comparison, "frames", 2000).places == [2000, 4000]
    sentence = "no multiple of 10k frames lies between 1k and 5k, and outside this stretch"
    with pytest.raises(UserError, match=sentence):
        place(comparison, "frames", 10_000)


def test_the_rest_is_written_where_a_spacing_does_not_fit(tmp_path: Path, capsys) -> None:
    arm = write_arm(tmp_path / "a", [STEADY], times=TIMES)
    main([arm, "--interval", "10", "--step-interval", "2000", "--out", str(tmp_path)])
    said, text = capsys.readouterr().out, (tmp_path / "comparison.md").read_text(encoding="utf-8")
    assert "No table over wall_minutes: no multiple of 10 minutes lies between 0.0667 and 0.333" in said
    assert "### 2k frames" in text and "### 4k frames" in text and "| a " in text


def test_a_race_time_is_the_best_so_far_and_others_are_the_latest(tmp_path: Path) -> None:
    (seed,) = compared(write_arm(tmp_path / "a", [STEADY], times=TIMES)).arms[0].seeds
    best = [so_far(seed, "eval/canonical_time_s", "frames", 1000 * i) for i in range(1, 6)]
    assert math.isnan(best[0]) and best[1:] == [40, 40, 30, 30]
    assert so_far(seed, "eval/progress_mean", "frames", 4999) == 0.8


def test_the_row_of_a_run_counts_unfinished_races_with_and_without(tmp_path: Path) -> None:
    arm = write_arm(tmp_path / "a", [STEADY], times=TIMES)
    found = place(compared(arm), "frames", None)
    row = cells(runs_at(found, 5000), 0)
    times = [DNF, 40, DNF, 30, 36]
    mean = sum(times) / 5
    spread = math.sqrt(sum((time - mean) ** 2 for time in times) / 5)
    assert row[:5] == ["a", "5", "30.00", f"{mean:.2f}", f"{spread:.2f}"]
    assert row[5:9] == ["35.33", "4.11", "60%", "2k"]
    assert row[9:] == ["--", "--", "--", "250"], "1000 frames take 4 seconds"
    assert cells(runs_at(found, 1000), 0)[2:9] == [
        "never finished",
        "300.00",
        "0.00",
        "--",
        "--",
        "0%",
        "never",
    ]


def test_the_published_figures_of_tensorboard_runs(tmp_path: Path, capsys) -> None:
    for name, times in {"v2": (DNF, 28.0, 26.0, 24.0), "v4": (DNF, 25.0, 27.0)}.items():
        write_events(tmp_path / name, linesight(list(times)))
    main(
        [f"{tmp_path}/v2", f"{tmp_path}/v4", "--time-axis", "wall_minutes", "--interval", "10"]
        + ["--step-interval", "1000", "--out", str(tmp_path)]
    )
    text = (tmp_path / "comparison.md").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines()]
    assert "between 5 and 25 minutes" in text, "v4 ends there"
    assert ["|", "v2", "|", "300.00", "|", "28.00", "|"] in lines, "best so far after 10 and 20 minutes"
    assert ["|", "v4", "|", "300.00", "|", "25.00", "|"] in lines
    assert "### 20 minutes" in text and "### 30 minutes" not in text and "### 3k frames" in text


def test_a_clock_that_a_run_did_not_log_is_a_sentence(tmp_path: Path, capsys) -> None:
    write_events(tmp_path / "v2", linesight([DNF, 28.0, 26.0]))
    write_events(tmp_path / "v4", linesight([DNF, 25.0, 27.0], hours=False))
    both = [f"{tmp_path}/v2", f"{tmp_path}/v4"]
    main([*both, "--x", "frames", "--time-axis", "cumul_training_hours", "--out", str(tmp_path)])
    text = (tmp_path / "comparison.md").read_text(encoding="utf-8")
    assert "- v4 is not in the tables over training hours: it did not log them." in text
    with pytest.raises(SystemExit, match="v2 .*say|v4 is left out: it does not say after how many"):
        main([both[1], "--time-axis", "cumul_training_hours", "--out", str(tmp_path)])


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("", {"frames": None}),
        ("--x cpu_s", {"cpu_s": None}),
        ("--step-interval 5", {"frames": 5}),
        ("--interval 3", {"frames": None, "wall_minutes": 3}),
        ("--time-axis cumul_training_hours", {"cumul_training_hours": None}),
        ("--time-axis cumul_training_hours --interval 30", {"cumul_training_hours": 0.5}),
        ("--x frames --time-axis cpu_s --interval 2", {"frames": None, "cpu_s": 120}),
        ("--x cpu_s --interval 2 --step-interval 9", {"cpu_s": 120, "frames": 9}),
    ],
)
def test_which_tables_are_made(typed: str, wanted: dict) -> None:
    assert spacings(parser().parse_args(["runs/x", *typed.split()])) == wanted


@pytest.mark.parametrize("typed", ["0", "-1", "inf", "nan"])
def test_a_spacing_is_above_zero(typed: str, capsys) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["runs/x", f"--interval={typed}"])
    assert f"must be above 0, got {typed}" in capsys.readouterr().err


def test_shares_and_seconds_read_as_such() -> None:
    assert checkpoints.number_text(0.613, "time/learning_share") == "61.3%"
    assert checkpoints.number_text(24.156, "race/alltime_best_s") == "24.16"
    assert checkpoints.number_text(546.071, "learner/loss") == "546.1"
    assert checkpoints.mean_text([1.0, math.nan], "learner/loss") == "1 (1 of 2)"


def test_tables_that_nobody_reads_are_refused(tmp_path: Path) -> None:
    found = compared(write_arm(tmp_path / "a"))
    with pytest.raises(
        UserError, match="2,001 checkpoints is too long to read .at most 200.; choose a larger"
    ):
        place(found, "frames", 1.0)
