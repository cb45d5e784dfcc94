"""The whole command on stand-ins: loop, evaluation, record, checkpoints, resume."""

from __future__ import annotations

import itertools
import json
import shutil

import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.core.files import read_json
from btr_tm.metrics.sinks.jsonl import read_record


def same(left, right) -> bool:
    equal = torch.equal(left.learner.weight, right.learner.weight)
    equal &= torch.equal(torch.stack(left.replay.rows), torch.stack(right.replay.rows))
    return equal and left.clock.updates == right.clock.updates


def test_run_drives_its_frames_and_leaves_a_record(tmp_path, build):
    run = build(tmp_path)
    run.train()
    assert run.clock.frames == 2000 and run.clock.updates == (2000 - 200) // 32
    rows = read_record(tmp_path / "record.jsonl")
    assert [row["frames"] for row in rows][:3] == [104, 200, 304]
    assert all(abs(sum(v for k, v in row.items() if k.startswith("time/")) - 1.0) < 1e-6 for row in rows)
    evaluated = [row for row in rows if "eval/finish_rate" in row]
    assert len(evaluated) == 4 and evaluated[-1]["eval/canonical_time_s"] == 1.0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["frames"] == 2000 == rows[-1]["frames"] != rows[-2]["frames"]
    assert summary["eval/canonical_time_s"] == 1.0


class Curve:
    """A report that makes one file."""

    def make(self, best, folder, say):
        (folder / "curve.png").touch()
        return {"curve": "curve.png"}


def test_the_summary_has_paths_within_the_folder_and_shows_paths_that_work_from_here(tmp_path, build, capsys):
    build(tmp_path, report=Curve(), next_command="watch it").train()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["curve"] == "curve.png" and str(tmp_path) not in json.dumps(summary)
    shown = capsys.readouterr().out
    assert (tmp_path / "curve.png").as_posix() in shown.replace("\n", "") and "watch it" in shown


def test_one_batch_in_twenty_tests_what_is_never_learnt_from(tmp_path, build):
    run = build(tmp_path)
    run.plan.test.period = 19
    evaluate, weights = run.learner.evaluate, []

    def watched(batch):
        weights.append(float(run.learner.weight.detach()))
        return evaluate(batch)

    run.learner.evaluate = watched
    run.train()
    assert len(weights) == run.clock.updates // 19 == 2
    rows = [row["test/loss"] for row in read_record(tmp_path / "record.jsonl") if "test/loss" in row]
    assert rows == pytest.approx([(weight - 2.0) ** 2 for weight in weights])


def test_stop_and_resume_equals_the_uninterrupted_run(tmp_path, build):
    whole, first = build(tmp_path / "whole"), build(tmp_path / "parts")
    whole.train()
    collect = first.collector.collect

    def stop_in_the_middle(policy):
        if first.clock.frames >= 1000:
            first.interrupts.ask()
        return collect(policy)

    first.collector.collect = stop_in_the_middle
    first.train()
    assert 1000 <= first.clock.frames < 1100
    second = build(tmp_path / "parts")
    second.train()
    assert same(whole, second)
    timeless = ("wall_s", "cpu_s", "speed/", "time/")
    rows = [
        [{k: v for k, v in row.items() if not k.startswith(timeless)} for row in read_record(run.record.path)]
        for run in (whole, second)
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("stop_at", [1000, 2000])
def test_an_evaluation_that_is_interrupted_is_made_when_the_run_goes_on(tmp_path, build, stop_at):
    whole, first = build(tmp_path / "whole"), build(tmp_path / "parts")
    whole.train()
    reset = first.evaluator.races.env.reset

    def stop_in_a_race(**kwargs):
        if first.clock.frames >= stop_at:
            first.interrupts.ask()
        return reset(**kwargs)

    first.evaluator.races.env.reset = stop_in_a_race
    first.train()
    assert first.interrupts.asked and not first.finished
    second = build(tmp_path / "parts")
    second.train()
    assert second.finished and same(whole, second)
    evaluated = [
        [row["eval/canonical_time_s"] for row in read_record(run.record.path) if "eval/finish_rate" in row]
        for run in (whole, second)
    ]
    assert evaluated[0] == evaluated[1]


def test_finished_run_says_so_and_drives_no_further(tmp_path, capsys, build):
    build(tmp_path).train()
    again = build(tmp_path)
    again.train()
    assert "finished" in capsys.readouterr().out and again.learner.updates == 0


def test_a_longer_run_that_was_ended_before_its_results_makes_them_the_next_time(tmp_path, build):
    class Ended:
        def make(self, best, folder, say):
            raise KeyboardInterrupt

    build(tmp_path).train()
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, total=3000, report=Ended()).train()
    again = build(tmp_path, total=3000)
    again.train()
    assert again.learner.updates == 0 and read_json(tmp_path / "summary.json")["frames"] == 3000


def test_results_without_a_checkpoint_are_not_driven_over(tmp_path, build):
    build(tmp_path).train()
    record = (tmp_path / "record.jsonl").read_bytes()
    shutil.rmtree(tmp_path / "checkpoints")
    with pytest.raises(UserError, match="results of a finished run, and no checkpoint to go on from"):
        build(tmp_path).train()
    assert (tmp_path / "record.jsonl").read_bytes() == record


def test_results_that_do_not_fit_on_the_disk_are_one_sentence_and_made_the_next_time(tmp_path, build):
    class FullDisk:
        def make(self, best, folder, say):
            raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left on device; make room there and type the same command"):
        build(tmp_path, report=FullDisk()).train()
    again = build(tmp_path)
    again.train()
    assert again.learner.updates == 0 and (tmp_path / "summary.json").exists()


def test_nan_loss_stops_and_keeps_the_last_good_checkpoint(tmp_path, build):
    run = build(tmp_path)
    run.learner.poison_at = 30
    with pytest.raises(UserError, match="learner/loss"):
        run.train()
    kept = run.checkpoint.files()
    assert kept and build(tmp_path).checkpoint.load_newest()


class Watching:
    """A logger that keeps what it is told."""

    def __init__(self):
        self.kept, self.rows, self.shown = None, [], None

    def resume(self, rows):
        self.kept = [row["frames"] for row in rows]

    def write(self, row):
        self.rows.append(row["frames"])

    def show(self, files):
        self.shown = files

    def close(self):
        pass


def test_loggers_are_shown_the_files_that_a_finished_run_leaves(tmp_path, build):
    class Written:
        def make(self, best, folder, say):
            (folder / "film.mp4").write_text("film")
            return {"film": "film.mp4", "picture": "that was not made.png", "best_race_s": 3.5}

    done, again = Watching(), Watching()
    build(tmp_path, loggers=[done], report=Written()).train()
    assert done.shown == {"film": tmp_path / "film.mp4"}
    build(tmp_path, loggers=[again], report=Written()).train()
    assert again.shown is None


def test_loggers_go_back_with_the_checkpoint_and_a_finished_run_leaves_them_alone(tmp_path, build):
    first, second, third = Watching(), Watching(), Watching()
    whole = build(tmp_path / "whole", loggers=[first])
    whole.train()
    assert first.kept == [] and first.rows == [row["frames"] for row in read_record(whole.record.path)]

    killed = build(tmp_path / "killed", loggers=[Watching()])
    killed.learner.update = killing(killed.learner.update, after=40)
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    beyond = [row["frames"] for row in read_record(killed.record.path)]
    build(tmp_path / "killed", loggers=[second]).train()
    assert second.kept == first.rows[: len(second.kept)] and second.kept + second.rows == first.rows
    assert len(second.kept) < len(beyond)

    build(tmp_path / "killed", loggers=[third]).train()
    assert third.kept is None and third.rows == []


def test_loggers_go_back_to_the_start_where_there_is_no_checkpoint(tmp_path, build):
    killed = build(tmp_path, loggers=[Watching()])
    killed.learner.update = killing(killed.learner.update, after=40)
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    for path in killed.checkpoint.files():
        path.unlink()
    assert read_record(killed.record.path)
    again = Watching()
    build(tmp_path, loggers=[again]).train()
    assert again.kept == [] and again.rows == [row["frames"] for row in read_record(killed.record.path)]


def killing(update, after):
    """`update`, until the process dies."""
    left = itertools.count(after, -1)

    def dying(batch):
        if next(left) == 0:
            raise KeyboardInterrupt
        return update(batch)

    return dying


def test_collectors_end_whatever_the_record_does(tmp_path, build):
    class Broken:
        def write(self, row):
            pass

        def close(self):
            raise OSError(28, "No space left on device")

    run = build(tmp_path, loggers=[Broken()])
    with pytest.raises(OSError, match="No space"):
        run.close()
    assert run.collector.env.closed
