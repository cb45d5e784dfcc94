"""Arms against each other: what is read, what is refused, what the table and the verdict say."""

from __future__ import annotations

import math
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from btr_tm.cli.commands import sweep
from btr_tm.cli.commands.compare import main
from btr_tm.core.errors import UserError
from btr_tm.report import compare as report
from btr_tm.report import compare_text, compare_verdicts
from btr_tm.report.arms import Arm, Seed
from btr_tm.report.compare_plots import draw, mean_band
from btr_tm.report.reading import read_arms
from btr_tm.report.table_text import markdown
from btr_tm.run import status
from btr_tm.run.status import Status

from .written_runs import CLIMB, write_arm, write_run


def compared(*arguments: str, axis="frames"):
    return report.compare(read_arms(arguments), (), axis)


def read_arm(argument: str) -> Arm:
    (arm,), left_out = read_arms([argument])
    assert not left_out
    return arm


def test_an_arm_is_a_folder_of_seeds_or_one_run(tmp_path: Path) -> None:
    folder = write_arm(tmp_path / "base", [CLIMB] * 11)
    arm = read_arm(folder)
    assert arm.label == "base" and [seed.folder.name for seed in arm.seeds][8:] == ["s8", "s9", "s10"]
    single = read_arm(f"{folder}/s1")
    assert single.label == "base/s1" and len(single.seeds) == 1
    assert read_arm(f"mine={folder}").label == "mine"


def test_folders_of_sweeps_may_hold_an_equals_sign(tmp_path: Path) -> None:
    folder = write_arm(tmp_path / "head=ln,lr=1")
    assert read_arm(folder).label == "head=ln,lr=1"
    assert read_arm(f"ln={folder}").label == "ln"


def test_a_time_of_an_unfinished_race_is_a_gap(tmp_path: Path) -> None:
    seed = read_arm(write_arm(tmp_path / "a", times=(30.0, None, 25.0))).seeds[0]
    xs, times = seed.series("eval/canonical_time_s", "frames")
    assert xs.tolist() == [1000, 2000, 3000]
    assert np.array_equal(times, [30.0, math.nan, 25.0], equal_nan=True)


def test_figures_of_an_arm(tmp_path: Path) -> None:
    heights, times = [(0.0, 0.5, 1.0), (0.0, 0.0, 0.4)], (None, None, 25.0)
    figures = compared(write_arm(tmp_path / "a", heights, times=times), axis="cpu_s").figures[0]
    assert figures.finish_rate.tolist() == [1.0, 0.4]
    assert figures.best_time_s.tolist() == [25.0, 25.0]
    assert figures.first_finish.tolist() == [4.0, 6.0], "CPU seconds, 2 per evaluation"
    assert np.array_equal(figures.good_rate, [6.0, math.nan], equal_nan=True)
    assert figures.cpu_s.tolist() == [6.0, 6.0]
    assert figures.area == pytest.approx([0.5, 0.1])
    assert figures.author_s == 23.45, "from time and ratio, although the record has no author time"


def test_areas_are_taken_where_all_runs_were_measured(tmp_path: Path) -> None:
    short = write_arm(tmp_path / "short")
    late = write_arm(tmp_path / "late", start=2)  # evaluated at 2000, 3000 and 4000 frames
    comparison = compared(short, late)
    assert comparison.window == (2000, 3000)
    assert comparison.figures[0].area == pytest.approx([0.75, 0.75])
    assert any("Runs end at 3k to 4k frames" in note for note in compare_text.notes(comparison))


def test_the_table_names_seeds_that_never_got_there(tmp_path: Path) -> None:
    never = write_arm(tmp_path / "never", [(0.0, 0.1, 0.0)] * 2, times=(None,) * 3)
    row = compare_text.table(compared(never)).splitlines()[2]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:7] == ["2", "0, 0% (0%)", "--", "never finished", "--", "2k, 2k"]
    assert cells[7] == "never, never" and cells[9].startswith("0.050 [")


def test_the_ratio_interval_is_that_of_all_resamples() -> None:
    above, below = np.array([3.0, 5.0]), np.array([1.0, 2.0])
    every = [(a + b) / (c + d) for a, b, c, d in product(above, above, below, below)]
    ratio = compare_verdicts.ratio_of_means(above, below)
    assert ratio.value == pytest.approx(8 / 3)
    assert (ratio.low, ratio.high) == (min(every), max(every)), "1 of 16 resamples is beyond 2.5%"


def test_the_band_holds_the_mean_and_gaps_stay_gaps() -> None:
    curves = np.array([[0.0, 1.0, math.nan], [1.0, 1.0, 1.0]])
    low, high = mean_band(curves)
    assert (low[0], high[0]) == (0.0, 1.0) and (low[1], high[1]) == (1.0, 1.0)
    assert math.isnan(low[2]) and math.isnan(high[2])


@pytest.mark.parametrize(
    ("area", "other", "ending"),
    [
        ([0.5, 0.6, 0.9], [0.7, 0.8, 0.6], "cannot be decided with 3 seeds."),
        ([0.5], [0.9], "0.56; cannot be decided with 1 seed."),
        ([0.5], [0.8, 0.9], "cannot be decided with 1 and 2 seeds."),
        ([0.9, 0.91, 0.92, 0.9], [0.5, 0.51, 0.5, 0.52], "b has the larger area."),
        ([0.5, 0.5, 0.5], [0.9, 0.9, 0.91], "with so few seeds chance alone does that in 1 of 10 cases."),
        ([0.5, math.nan], [0.9, 0.9], "not defined, because some areas are missing or not positive."),
        ([0.5, 0.0], [0.9, 0.9], "not defined, because some areas are missing or not positive."),
    ],
)
def test_the_verdict_claims_no_more_than_the_seeds_allow(area, other, ending) -> None:
    assert compare_verdicts.verdict("b", np.array(area), "a", np.array(other)).endswith(ending)


@pytest.mark.parametrize(
    ("times", "other", "said"),
    [
        (
            [25.0, 25.2, 25.1],
            [26.0, 26.2, 26.1],
            "-1.00 [-1.23, -0.77] s; b is faster, but with so few",
        ),
        ([26.0, 26.2, 26.1], [25.0, 25.2, 25.1], "+1.00 [+0.77, +1.23] s; b is slower"),
        ([25.0, 27.0], [25.5, 26.0, 27.5], "s; cannot be decided with 2 and 3 seeds."),
        ([25.0], [25.5], "-0.50 s; cannot be decided with 1 seed."),
        ([25.0, math.nan], [25.5, 25.6], "-0.55 s; no verdict, because 1 of 4 runs have none."),
    ],
)
def test_race_times_are_judged_where_every_run_has_one(times, other, said) -> None:
    text = compare_verdicts.time_verdict("b", np.array(times), "a", np.array(other))
    assert text.startswith("Mean time of b - mean time of a: ") and said in text


def test_no_time_is_no_sentence() -> None:
    assert compare_verdicts.time_verdict("b", np.array([math.nan]), "a", np.array([25.0])) == ""


def test_a_mean_time_is_of_the_last_evaluation_before_the_end_that_brings_starts_home(tmp_path: Path) -> None:
    rows = [(1000, 1.0, 30.0), (2000, 0.8, 28.0), (3000, 0.79, 27.0)]
    record = [
        {"frames": f, "cpu_s": f / 100, "eval/finish_rate": share, "eval/mean_time_s": time_s}
        for f, share, time_s in rows
    ]
    seed = Seed(tmp_path, [*record, {"frames": 3500, "race/time_s": 20.0}], {}, True)
    assert report.time_at(seed, "frames", 1999) == 30.0
    assert report.time_at(seed, "cpu_s", 20.0) == 28.0, "it counts at its own place"
    assert math.isnan(report.time_at(seed, "frames", 4000)), "too few came home"
    assert math.isnan(report.time_at(seed, "frames", 500)), "nothing was measured yet"


def test_every_later_arm_is_judged_against_the_first(tmp_path: Path) -> None:
    folders = [write_arm(tmp_path / name) for name in "abc"]
    starts = [verdict.split(":")[0] for verdict in compare_verdicts.verdicts(compared(*folders))]
    assert starts == ["Area of b / area of a", "Area of c / area of a"]
    assert compare_verdicts.verdicts(compared(folders[0])) == []


def test_a_label_cannot_break_the_table() -> None:
    assert markdown([["a|b", "x"], ["1", "2"]]).splitlines() == [
        "| a\\|b |  x |",
        "| :--- | -: |",
        "| 1    |  2 |",
    ]


def test_the_command_writes_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_arm(tmp_path / "base")
    second = write_arm(tmp_path / "off", [(0.0, 0.2, 0.4), (0.0, 0.1, 0.9)], times=(None,) * 3, gamma=0.9)
    (tmp_path / "off" / "s1" / "summary.json").unlink()
    main([first, f"no noise={second}", "--x", "wall_minutes", "--out", str(tmp_path / "out")])
    shown, text = capsys.readouterr().out, (tmp_path / "out" / "comparison.md").read_text(encoding="utf-8")
    assert (
        "Area of no noise / area of base" in shown
        and "used as far as they are: no noise/s1 (it has no summary)" in shown
    )
    assert all(line in text for line in shown.splitlines()[:4]) and "![curves](comparison.png)" in text
    assert (tmp_path / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_is_compared_as_a_whole_its_base_first(tmp_path: Path) -> None:
    for arm in ("no_impala", "base", "no_noisy"):
        write_arm(tmp_path / "sweep" / arm)
    (tmp_path / "sweep" / "plots").mkdir()
    assert [arm.label for arm in read_arms([str(tmp_path / "sweep")]).arms] == [
        "base",
        "no_impala",
        "no_noisy",
    ]
    for arm in ("no_noisy,profile=cpu", "profile=cpu"):
        write_arm(tmp_path / "other" / arm)
    assert [arm.label for arm in read_arms([str(tmp_path / "other")]).arms] == [
        "profile=cpu",
        "no_noisy,profile=cpu",
    ]


def test_what_the_arms_of_a_sweep_have_reached(tmp_path: Path) -> None:
    for arm in ("base", "no_noisy"):
        write_arm(tmp_path / arm)
    for seed in ("s0", "s1"):
        status.write(tmp_path / "base" / seed, Status("done"))
    status.write(tmp_path / "no_noisy" / "s0", Status("failed", "lr is wrong"))
    said = "\n".join(sweep.lines(tmp_path))
    assert (
        said.startswith("2 arms, 3 runs: 2 done, 1 failed\n") and "no_noisy/s0: failed, lr is wrong" in said
    )
    assert "| base     |    2 of 2 |" in said and "| no_noisy |    0 of 1 |" in said
    for command in ("compare", "ablate"):
        assert f": python -m btr_tm.{command} {tmp_path.as_posix()}" in said.split("| no_noisy |")[1]


def test_panels_without_any_value_and_single_runs_can_be_drawn(tmp_path: Path) -> None:
    arm = write_arm(tmp_path / "a", times=(None,) * 3)
    metrics = ["eval/progress_mean", "eval/canonical_time_s", "learner/loss", "race/races"]
    comparison = report.compare(read_arms([f"{arm}/s0"]), metrics, "frames")
    assert draw(comparison, tmp_path / "one.png").exists()


def broken_line(folder: Path) -> None:
    record = folder / "record.jsonl"
    record.write_text("{oops\n" + record.read_text(encoding="utf-8"), encoding="utf-8")


def no_frames(folder: Path) -> None:
    (folder / "record.jsonl").write_text('{"wall_s": 1.0}\n', encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "record.jsonl").unlink(), "record.jsonl is missing"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda folder: (folder / "record.jsonl").write_text(""), "has no whole row yet"),
        (
            lambda folder: (folder / "manifest.json").write_text("{}"),
            "run_id, seed, config, sessions is",
        ),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "must hold a JSON object"),
        (broken_line, "line 1 of .* is no valid JSON"),
        (no_frames, "line 1 of .* must hold numbers, `frames` among them"),
    ],
)
def test_a_damaged_run_is_named_and_left_out(damage, sentence: str, tmp_path: Path) -> None:
    folder = write_arm(tmp_path / "a", [CLIMB] * 3)
    damage(tmp_path / "a" / "s1")
    (arm,), left_out = read_arms([folder])
    assert arm.names() == ["a/s0", "a/s2"], "the others are still compared"
    assert len(left_out) == 1 and re.match(f"a/s1 is left out: .*{sentence}", left_out[0])


def test_an_arm_is_one_configuration_and_no_seed_twice(tmp_path: Path) -> None:
    write_run(tmp_path / "mixed" / "s0", 0)
    write_run(tmp_path / "mixed" / "s1", 1, gamma=0.9)
    with pytest.raises(UserError, match=r"s1 in .* has another configuration than s0 \(gamma: 0.99 -> 0.9\)"):
        read_arm(str(tmp_path / "mixed"))
    write_run(tmp_path / "twice" / "s0", 0)
    write_run(tmp_path / "twice" / "s1", 0)
    with pytest.raises(UserError, match="must have different seeds, got .0, 0."):
        read_arm(str(tmp_path / "twice"))


def test_the_runs_of_an_arm_may_begin_with_those_of_their_own_seeds(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path / "own" / f"s{seed}", seed, more={"init_from": f"clones/s{seed}"})
        write_run(tmp_path / "one" / f"s{seed}", seed, more={"init_from": "clones/s0"})
        write_run(tmp_path / "other" / f"s{seed}", seed, more={"init_from": f"clones/s{1 - seed}"})
    assert read_arm(str(tmp_path / "own")).names() == ["own/s0", "own/s1"]
    assert read_arm(str(tmp_path / "one")).names() == ["one/s0", "one/s1"]
    with pytest.raises(UserError, match="another configuration .*init_from: clones/s1 -> clones/s0"):
        read_arm(str(tmp_path / "other"))


def test_what_cannot_be_compared_is_one_sentence(tmp_path: Path) -> None:
    early, late = write_arm(tmp_path / "early"), write_arm(tmp_path / "late", start=5)
    with pytest.raises(
        UserError, match="the runs have no frames in common: late/s0 begins at 5k, after early/s0 has"
    ):
        compared(early, late)
    with pytest.raises(UserError, match="two arms are called 'early'"):
        compared(early, early)
    with pytest.raises(UserError, match="it measured eval/progress_mean once, and a curve needs two points"):
        compared(write_arm(tmp_path / "one", [(0.5,)], times=(None,)))
    with pytest.raises(UserError, match="there is no metric 'eval/speed'; choose for example eval/"):
        report.compare(read_arms([early]), ["eval/speed"], "frames")
    with pytest.raises(UserError, match="^a=nowhere is left out: there is no nowhere$"):
        read_arm("a=nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        UserError, match="empty is left out: it holds nothing to compare, which is a run, runs s0"
    ):
        read_arm(str(tmp_path / "empty"))
    with pytest.raises(SystemExit, match="btr_tm: cannot write into .*Not a directory"):
        main([early, "--out", f"{early}/s0/record.jsonl"])


def test_a_run_that_goes_on_beyond_its_summary_has_not_ended(tmp_path: Path) -> None:
    folder = Path(write_arm(tmp_path / "a"))
    (folder / "s0" / "summary.json").write_text('{"frames": 3000}', encoding="utf-8")
    assert read_arm(str(folder)).seeds[0].ended
    (folder / "s0" / "summary.json").write_text('{"frames": 2000}', encoding="utf-8")
    assert not read_arm(str(folder)).seeds[0].ended


def test_two_tracks_of_one_file_name_are_not_compared_unless_they_are_called_one(tmp_path: Path) -> None:
    arms = [
        write_arm(tmp_path / name, more={"track": {"name_or_path": f"{name}/track.yaml"}}) for name in "ab"
    ]
    reading = read_arms(arms)
    assert [arm.label for arm in reading.arms] == ["a"]
    assert reading.left_out[0].endswith("if the two are one track, add --track track.yaml")
    assert [arm.label for arm in read_arms(arms, track="track.yaml").arms] == ["a", "b"]


def test_the_folder_above_the_sweeps_is_refused(tmp_path: Path) -> None:
    write_arm(tmp_path / "runs" / "one" / "base")
    write_arm(tmp_path / "runs" / "two" / "base")
    with pytest.raises(UserError, match=r"it holds sweeps; name one of them: .*runs/one, .*runs/two"):
        read_arms([str(tmp_path / "runs")])


def test_runs_without_an_area_are_named(tmp_path: Path) -> None:
    arms = [write_arm(tmp_path / name) for name in "ab"]
    found = report.compare(read_arms(arms), ["eval/canonical_time_s"], "frames")
    assert any(note.startswith("No area for a/s0, a/s1, b/s0, b/s1") for note in compare_text.notes(found))
