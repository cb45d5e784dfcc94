"""Where runs are read from: what each source finds, and what it makes of foreign names."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from btr_tm.cli.commands.compare import main
from btr_tm.metrics.sinks.tensorboard import TensorboardSink
from btr_tm.report.arms import Seed
from btr_tm.report.reading import read_arms
from btr_tm.report.sources import tensorboard
from btr_tm.report.sources.published_names import in_our_names, meaning
from btr_tm.report.sources.tensorboard import TensorboardFolders
from btr_tm.report.sources.wandb_runs import WandbRuns

from .written_runs import CLIMB, wandb_file, write_arm, write_run

DNF = 300.0


def write_events(folder: Path, points: dict[str, list[tuple[int, float, float]]]) -> str:
    """Tags with steps, values and seconds since midnight."""
    writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter(str(folder))
    for tag, found in points.items():
        for step, value, second in found:
            writer.add_scalar(tag, value, step, walltime=1_000_000 + second)
    writer.close()
    return str(folder)


def linesight(times: list[float], first: int = 1000, hours: bool = True) -> dict[str, list]:
    """An evaluation race every 1000 frames and 600 s; loss and the rest half-way between."""
    steps = [first + 1000 * i for i in range(len(times))]
    races = [(step, time, 0.6 * step) for step, time in zip(steps, times, strict=True)]
    between = [(step + 500, step / 1000, 0.6 * step + 300) for step in steps]
    best = [(step, 1000 * min(times[: i + 1]), second) for i, (step, _, second) in enumerate(between)]
    tags = {
        "Race/eval_race_time_trained_A01": races,
        "Race/eval_race_time_finished_trained_A01": [race for race in races if race[1] < DNF],
        "RL/avg_Q_trained_A01": [(step, -1.0, second) for step, _, second in races],
        "alltime_min_ms_A01": best,
        "Training/loss": between,
    }
    return tags | (
        {"cumul_training_hours": [(step, step / 6000, s) for step, _, s in between]} if hours else {}
    )


def only(argument: str) -> Seed:
    (arm,), left_out = read_arms([argument])
    assert not left_out
    return arm.seeds[0]


def test_kept_records_are_arms_by_their_names(tmp_path: Path) -> None:
    for arm in ("no_noisy", "base"):
        for seed in (0, 1, 10):
            write_run(tmp_path / "runs" / arm / f"s{seed}", seed)
            (tmp_path / f"{arm}_s{seed}.jsonl").write_bytes(
                (tmp_path / "runs" / arm / f"s{seed}" / "record.jsonl").read_bytes()
            )
    shutil.rmtree(tmp_path / "runs")
    arms = read_arms([str(tmp_path)]).arms
    assert [arm.names() for arm in arms] == [
        ["base/s0", "base/s1", "base/s10"],
        ["no_noisy/s0", "no_noisy/s1", "no_noisy/s10"],
    ]
    (arm,) = read_arms([f"mine={tmp_path}/base"]).arms
    assert arm.names()[0] == "mine/s0" and arm.seeds[0].rows[-1]["frames"] == 3000
    (arm,) = read_arms([f"{tmp_path}/base_s10.jsonl"]).arms
    assert arm.names() == ["base_s10"] and arm.seeds[0].ended


def test_kept_folders_of_runs_need_no_more_than_three_files(tmp_path: Path) -> None:
    write_arm(tmp_path / "kept" / "base")
    write_arm(tmp_path / "kept" / "iqn")
    names = sorted(path.name for path in (tmp_path / "kept" / "base" / "s0").iterdir())
    assert names == ["manifest.json", "record.jsonl", "summary.json"]
    arms, left_out = read_arms([str(tmp_path / "kept")])
    assert [arm.label for arm in arms] == ["base", "iqn"] and not left_out


def test_published_tags_are_read_in_our_names_and_units(tmp_path: Path) -> None:
    seed = only(write_events(tmp_path / "v2", linesight([DNF, 26.0, 25.0])))
    assert seed.series("race/alltime_best_s", "frames")[1] == pytest.approx([300, 26, 25])
    assert seed.series("learner/loss", "frames")[0].tolist() == [1500, 2500, 3500]
    xs, times = seed.series("eval/canonical_time_s", "frames")
    assert xs.tolist() == [1000, 2000, 3000]
    assert np.isnan(times[0]) and times[1:] == pytest.approx([26, 25]), "the first race was not finished"
    assert seed.series("alltime_min_ms_A01", "frames")[1] == pytest.approx([300_000, 26_000, 25_000])


def test_both_clocks_of_a_tensorboard_run(tmp_path: Path) -> None:
    seed = only(write_events(tmp_path / "v2", linesight([DNF, 26.0, 25.0])))
    assert seed.series("eval/canonical_time_s", "wall_minutes")[0] == pytest.approx([0, 10, 20])
    hours, losses = seed.series("learner/loss", "cumul_training_hours")
    assert hours == pytest.approx([0.25, 2.5 / 6, 3.5 / 6]) and len(losses) == 3
    between = seed.series("eval/canonical_time_s", "cumul_training_hours")[0]
    assert between == pytest.approx([2 / 6, 3 / 6]), "in proportion to frames, never before the first value"


def test_suffix_folders_continue_a_run_in_their_order(tmp_path: Path) -> None:
    for number in range(1, 12):
        name = f"v2_{number}" if number > 1 else "v2"
        write_events(tmp_path / name, linesight([30.0 - number] * 2, first=2000 * number - 1000))
    write_events(tmp_path / "v2_14", linesight([10.0] * 2))
    arms, left_out = read_arms([str(tmp_path)])
    assert [arm.label for arm in arms] == ["v2", "v2_14"] and not left_out, "there is no v2_12"
    xs, times = arms[0].seeds[0].series("eval/canonical_time_s", "frames")
    assert xs.tolist() == [1000.0 * i for i in range(1, 23)] and times[-1] == 19
    assert only(str(tmp_path / "v2")).rows == arms[0].seeds[0].rows


def test_a_folder_that_begins_again_does_not_continue_a_run(tmp_path: Path) -> None:
    write_events(tmp_path / "v2", linesight([30.0] * 3))
    write_events(tmp_path / "v2_2", linesight([20.0] * 3))
    write_events(tmp_path / "v4", linesight([20.0] * 3))
    arms, left_out = read_arms([str(tmp_path)])
    assert [arm.label for arm in arms] == ["v4"]
    assert (
        len(left_out) == 1 and "v2_2 should continue" in left_out[0] and "begins at step 1000" in left_out[0]
    )


def test_no_point_of_a_tag_is_lost(tmp_path: Path, monkeypatch) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.setitem(accumulator.DEFAULT_SIZE_GUIDANCE, "scalars", 5)  # 10,000
    points = [(step, 40.0 if step != 60 else 20.0, step) for step in range(120)]
    seed = only(write_events(tmp_path / "v2", {"Race/eval_race_time_finished_trained_A01": points}))
    assert len(seed.series("eval/canonical_time_s", "frames")[0]) == 120


def test_our_own_tensorboard_files_are_whole_runs_again(tmp_path: Path) -> None:
    sink = TensorboardSink(tmp_path / "tb", "a01", say=lambda line: None)
    sink.resume([])
    rows = [
        {"frames": i * 1000, "wall_s": 60.0 * i, "cpu_s": 30.0 * i, "eval/progress_mean": i / 4}
        for i in (1, 2, 3)
    ]
    for row in rows:
        sink.write(row)
    sink.close()
    seed = only(str(tmp_path / "tb"))
    assert seed.whole_rows
    for axis, ends in {
        "frames": (1000, 3000),
        "cpu_s": (30, 90),
        "cumul_training_hours": (1 / 60, 3 / 60),
    }.items():
        assert seed.series("eval/progress_mean", axis)[0][[0, -1]] == pytest.approx(ends)


def test_tags_of_another_track_and_of_nobody_keep_their_own_names() -> None:
    rows = [
        {"frames": 1, "RL/avg_Q_trained_A01": 1.0, "alltime_min_ms_A01": 2000.0},
        {"frames": 2, "RL/avg_Q_trained_hock": 5.0, "train/mood": 3.0},
    ]
    ours, track = in_our_names(rows)
    assert track == "A01"
    assert ours[0]["eval/q_mean"] == 1.0 and ours[0]["race/alltime_best_s"] == 2.0
    assert ours[1] == rows[1]


def test_linesight_writes_the_same_tags_without_their_group() -> None:
    assert meaning("avg_Q_trained_A01") == meaning("RL/avg_Q_trained_A01")
    assert meaning("loss").name == "learner/loss" and meaning("Training/loss").name == "learner/loss"
    assert meaning("Race/split_A01_3").name == "canonical/split_s.3"
    assert meaning("cumul_training_hours") == ("wall_s", 1 / 3600, "")
    assert meaning("rollout/ep_rew_mean") is None and meaning("eval/q_mean") is None


def test_without_tensorboard_one_sentence_says_so(tmp_path: Path, monkeypatch, capsys) -> None:
    foreign, ours = write_events(tmp_path / "v2", linesight([30.0] * 3)), write_arm(tmp_path / "base")
    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing.event_accumulator", None)
    arms, left_out = read_arms([foreign, ours])
    assert [arm.label for arm in arms] == ["base"]
    assert left_out == [
        "v2 is left out: TensorBoard files are read with a package that is missing: "
        "pip install 'btr-tm[tensorboard]'"
    ]


def test_a_folder_of_other_tags_says_which_it_has(tmp_path: Path, capsys) -> None:
    tags = {"rollout/ep_rew_mean": [(1, 1.0, 0), (2, 2.0, 60)], "train/lr": [(1, 0.1, 0), (2, 0.1, 60)]}
    foreign, ours = write_events(tmp_path / "ppo", tags), write_arm(tmp_path / "base")
    with pytest.raises(SystemExit, match="ppo has none of the metrics .* rollout/ep_rew_mean, train/lr$"):
        main([foreign, "--out", str(tmp_path)])
    main([ours, foreign, "--out", str(tmp_path)])
    said = capsys.readouterr().out
    assert (
        "ppo is left out: it has no eval/progress_mean; name another one, for example rollout/ep_rew_mean,"
        in said
    )
    assert "| base |" in said
    main([foreign, "--metric", "rollout/ep_rew_mean", "--out", str(tmp_path), "--figures"])
    assert (tmp_path / "rollout_ep_rew_mean.png").exists()


def test_an_event_file_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "events.out.tfevents.1.x").write_bytes(b"garbage" * 10)
    (tmp_path / "cut").mkdir()
    whole = next(Path(write_events(tmp_path / "whole", linesight([30.0] * 3))).iterdir()).read_bytes()
    (tmp_path / "cut" / "events.out.tfevents.1.x").write_bytes(whole[:-5])
    arms, left_out = read_arms([str(tmp_path)])
    assert [arm.label for arm in arms] == ["cut", "whole"]
    assert left_out == [f"bad is left out: {tmp_path}/bad holds no numbers"]


def write_wandb(folder: Path, rows: list[dict], name: str) -> None:
    """One offline run; tests/metrics/test_wandb.py reads files by wandb itself."""
    place = folder / f"offline-run-20260101_000000-{name.replace('/', '-')}"
    place.mkdir()
    (place / f"run-{name.replace('/', '-')}.wandb").write_bytes(wandb_file(rows, name))


@pytest.fixture(scope="module")
def offline(tmp_path_factory) -> Path:
    """One run of ours and one of somebody else."""
    folder = tmp_path_factory.mktemp("offline")
    row = {"frames": 1000, "wall_s": 10.0, "cpu_s": 5.0, "eval/progress_mean": 0.25}
    ours = [{name: i * value for name, value in row.items()} | {"note": "x" * 20_000} for i in range(4)]
    write_wandb(folder, ours, "quick/base/s3")
    write_wandb(folder, [{"train/loss": 1.0 / (1 + i), "note": "text"} for i in range(4)], "ppo-again")
    return folder


def test_offline_runs_of_wandb_are_read_with_their_configuration(offline: Path) -> None:
    arms, left_out = read_arms([str(offline)])
    assert [arm.label for arm in arms] == ["base", "ppo-again"] and not left_out
    ours, other = arms[0].seeds[0], arms[1].seeds[0]
    assert ours.manifest["seed"] == 3 and ours.manifest["config"]["gamma"] == 0.99 and ours.ended
    assert ours.whole_rows and ours.series("eval/progress_mean", "cpu_s")[0].tolist() == [0, 5, 10, 15]
    assert other.series("train/loss", "wall_minutes")[0].tolist() == [0, 1, 2, 3]
    assert other.series("train/loss", "cumul_training_hours")[0][-1] == pytest.approx(3 / 60)
    assert other.series("train/loss", "frames")[1] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    assert not other.whole_rows and "note" not in other.rows[0]


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_run_of_wandb_that_was_interrupted_has_not_ended(exit_code: int, tmp_path: Path) -> None:
    file = tmp_path / "run-x.wandb"
    file.write_bytes(wandb_file([{"frames": frames, "loss": 1.0} for frames in (0, 1000)], "x", exit_code))
    (arm,) = read_arms([str(file)]).arms
    assert arm.seeds[0].ended == (exit_code == 0)


def test_a_later_start_of_wandb_goes_on_or_begins_again(offline: Path, tmp_path: Path) -> None:
    (file,) = offline.rglob("run-quick-base-s3.wandb")
    for name in ("offline-run-20260101_000000-x", "offline-run-20260101_000001-x"):
        (tmp_path / name).mkdir()
        shutil.copy(file, tmp_path / name)
    (arm,) = read_arms([str(tmp_path)]).arms
    assert [row["frames"] for row in arm.seeds[0].rows] == [0, 1000, 2000, 3000], "each start wrote all rows"
    cut = tmp_path / "offline-run-20260101_000001-x" / file.name
    cut.write_bytes(file.read_bytes()[:-200])
    assert len(read_arms([str(tmp_path)]).arms[0].seeds[0].rows) == 4
    cut.write_bytes(b"no such file")
    with pytest.raises(Exception, match="is no file of wandb"):
        read_arms([str(tmp_path)])


def test_sources_of_all_kinds_stand_in_one_comparison(offline: Path, tmp_path: Path, capsys) -> None:
    write_run(tmp_path / "runs" / "s0", 0, (*CLIMB, 1.0), (None, None, 25.0, 24.0))
    theirs = write_events(tmp_path / "v2", linesight([DNF, 26.0, 25.0, 24.0], first=500))
    main(
        [
            f"ours={tmp_path}/runs",
            f"theirs={theirs}",
            "--metric",
            "eval/canonical_time_s",
            "--out",
            str(tmp_path),
        ]
        + ["--time-axis", "wall_minutes", "--interval", "1"]
    )
    said = capsys.readouterr().out
    assert "| ours " in said and "| theirs " in said
    assert "left out" not in said


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert TensorboardFolders().find(tmp_path) == {} and WandbRuns().find(tmp_path) == {}
    assert tensorboard.rows_in(tmp_path) == []


def test_events_beside_those_of_seeds_are_a_run_of_their_own(tmp_path: Path) -> None:
    for folder in ("base", "base/s0", "base/s1"):
        write_events(tmp_path / folder, {"loss": [(1, 0.5, 1.0), (2, 0.4, 2.0)]})
    found = TensorboardFolders().find(tmp_path)
    assert {arm: [each.name for each in places] for arm, places in found.items()} == {
        "base itself": ["base"],
        "base": ["s0", "s1"],
    }
