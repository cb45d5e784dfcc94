"""Where rows go."""

from __future__ import annotations

import builtins
import errno
import io
import os
import sys
import time

import pytest

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.metrics.sinks import tensorboard
from btr_tm.metrics.sinks.console import LiveConsole, PlainConsole, Standing, console
from btr_tm.metrics.sinks.jsonl import JsonlSink, read_record
from btr_tm.metrics.summary_text import clock_text, summary_lines

ROW = {"frames": 500, "updates": 10, "wall_s": 5.0, "cpu_s": 4.0, "speed/frames_per_s": 100.0}
ROW |= {"speed/updates_per_s": 2.0, "eval/best_canonical_time_s": 24.5, "eval/finish_rate": 0.5}


def test_record_is_read_back_and_rewound(tmp_path):
    sink = JsonlSink(tmp_path / "quite" / "deep" / "record.jsonl")
    for frames in (100, 200, 200, 300):
        sink.write(ROW | {"frames": frames})
        if len(read_record(sink.path)) == 2:
            saved = sink.state_dict()
    again = JsonlSink(sink.path)
    again.load_state_dict(saved)
    assert again.rewind() == read_record(sink.path) == [ROW | {"frames": 100}, ROW | {"frames": 200}]
    again.write(ROW | {"frames": 300})
    assert len(read_record(sink.path)) == 3


def test_a_rewind_writes_nothing_that_a_kill_could_lose(tmp_path, monkeypatch):
    sink = JsonlSink(tmp_path / "record.jsonl")
    for frames in (100, 200):
        sink.write(ROW | {"frames": frames})
    cut = []
    original = open
    monkeypatch.setattr(builtins, "open", lambda path, mode: original(path, {"rb": "rb"}[mode]))  # only reads
    monkeypatch.setattr(os, "truncate", lambda path, size: cut.append(size))
    JsonlSink(sink.path).rewind()
    monkeypatch.undo()
    assert cut == [0] and len(read_record(sink.path)) == 2


def test_a_record_with_fewer_rows_than_the_checkpoint_knows_is_refused(tmp_path):
    sink = JsonlSink(tmp_path / "record.jsonl")
    sink.load_state_dict({"rows": 3})
    with pytest.raises(UserError, match="has 0 whole rows, and 3 had been written"):
        sink.rewind()


def test_line_cut_short_by_a_crash_is_left_out(tmp_path):
    sink = JsonlSink(tmp_path / "record.jsonl")
    sink.write(ROW)
    with open(sink.path, "a") as file:
        file.write('{"frames": 9')
    assert read_record(sink.path) == [ROW]
    sink.rewind()
    sink.write(ROW)
    assert len(read_record(sink.path)) == 2


def test_record_holds_numbers_that_every_json_reader_knows(tmp_path):
    sink = JsonlSink(tmp_path / "record.jsonl")
    with pytest.raises(ValueError, match="JSON compliant"):
        sink.write(ROW | {"learner/loss": float("nan")})


@pytest.mark.parametrize("rows", [1, 0])
def test_rows_that_a_full_disk_refuses_are_written_later_and_whole(tmp_path, monkeypatch, rows):
    said = []
    sink = JsonlSink(tmp_path / "record.jsonl", said.append)
    if rows:
        sink.write(ROW)

    original = open

    class FullDisk(io.StringIO):
        def write(self, text):
            with original(sink.path, "a") as file:
                file.write(text[:9])
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", lambda *_, **__: FullDisk())
        sink.write(ROW | {"frames": 600})
    assert len(said) == 1 and "No space left" in said[0] and read_record(sink.path) == [ROW] * rows
    sink.write(ROW | {"frames": 700})
    assert [row["frames"] for row in read_record(sink.path)] == [500] * rows + [600, 700]


FIGURES = "500 frames  100 frames/s  2.0 updates/s  best 24.50 s  finish 50%  ETA 5s"


def test_plain_console_prints_one_line_in_ten_seconds_and_the_last(capsys):
    clock = Clock(frames=500)
    plain = PlainConsole(1000, 100, clock, seconds=10.0)
    plain.write(ROW)
    plain.write(ROW)  # within ten seconds: silent
    assert capsys.readouterr().out == f" 50%  {FIGURES}\n"
    clock.frames = 1000
    plain.write(ROW)
    assert capsys.readouterr().out.startswith("100%  1,000 frames")


def test_lines_do_not_wait_in_a_buffer(monkeypatch):
    class Stream(io.StringIO):
        flushed = ""

        def flush(self):
            self.flushed = self.getvalue()

    monkeypatch.setattr(sys, "stdout", Stream())
    PlainConsole(1000, 100, Clock()).say("hello")
    assert sys.stdout.flushed == "hello\n"


def test_figures_stay_until_a_row_brings_new_ones_and_the_rate_is_smoothed():
    standing = Standing(1000)
    standing.update(ROW)
    standing.update({"speed/frames_per_s": 200.0, "speed/updates_per_s": 3.0})
    expected = "500 frames  130 frames/s  3.0 updates/s  best 24.50 s  finish 50%  ETA 3s"
    assert "  ".join(standing.fields(500)) == expected


def test_figures_without_an_evaluation_are_those_of_training_races():
    standing = Standing(1000)
    expected = "0 frames  0 frames/s  0.0 updates/s  best --  finish --  ETA --"
    assert "  ".join(standing.fields(0)) == expected
    standing.update(
        {
            "speed/frames_per_s": 0.5,
            "speed/updates_per_s": 0.1,
            "race/best_time_s": 30.0,
            "race/finish_rate": 0.25,
        }
    )
    assert standing.fields(999)[3:] == ["best 30.00 s", "finish 25%", "ETA 2s"]


@pytest.mark.parametrize(("terminal", "kind"), [(True, LiveConsole), (False, PlainConsole)])
def test_the_console_suits_standard_output(monkeypatch, terminal, kind):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    clock = Clock()
    made = console(1000, 100, clock)
    assert type(made) is kind and made.clock is clock and made.standing.total_frames == 1000


@pytest.mark.parametrize(("frames", "share", "bar"), [(500, "50%", 25), (4000, "100%", 50)])
def test_live_console_draws_the_share_and_the_figures(frames, share, bar):
    rich = pytest.importorskip("rich.console")
    live = LiveConsole(1000, Clock(frames=frames))
    live.write(ROW)
    page = rich.Console(file=io.StringIO(), width=200)
    page.print(live._live.get_renderable())
    first, second = page.file.getvalue().splitlines()
    assert first.count("━") == bar and share in first and "ETA" in first
    assert second.startswith(f"{frames:,} frames  100 frames/s  2.0 updates/s  best 24.50 s  finish 50%")
    assert live._live.console is live.console


def test_live_console_renders_without_a_terminal(capsys):
    console = LiveConsole(1000, Clock(frames=500))
    console.start()
    console.write(ROW)
    console.say("[a line with brackets]")
    console.close()
    assert "[a line with brackets]" in capsys.readouterr().out


def test_the_time_to_go_is_that_of_learning_and_not_of_the_warm_up():
    standing = Standing(10_000)
    standing.update(ROW | {"speed/updates_per_s": 0.0})
    assert standing.fields(1000)[-1] == "ETA --"
    standing.update(ROW | {"speed/frames_per_s": 50.0})
    assert standing.fields(1000)[-1] == "ETA 3m00s"
    standing.update(ROW | {"speed/frames_per_s": 60.0, "speed/updates_per_s": 0.0})
    assert standing.rate == pytest.approx(53.0)


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_run_that_is_silent_for_long_says_when_its_first_figures_come(monkeypatch):
    said, clock = [], Clock(frames=100)
    plain = PlainConsole(1000, 400, clock, seconds=0.01)
    monkeypatch.setattr(plain, "say", said.append)
    plain.start()
    wait_for(lambda: said)
    assert said[0] == "0 frames so far, the first figures follow after 300 more"
    clock.frames = 390
    wait_for(lambda: "290" in said[-1])
    assert said[-1] == "290 frames so far, the first figures follow after 10 more, in about 0s"
    plain.write(ROW)
    before = len(said)
    time.sleep(0.1)
    assert len(said) == before


def test_a_run_that_is_not_silent_says_nothing_of_its_first_figures(capsys):
    for log_every in (0, 400):
        plain = PlainConsole(1000, log_every, Clock(), seconds=0.01)
        if log_every:
            plain.close()
        plain.start()
    time.sleep(0.1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (9.9, "9s"),
        (59, "59s"),
        (60, "1m00s"),
        (185, "3m05s"),
        (3540, "59m00s"),
        (3600, "1h00m"),
        (7620, "2h07m"),
        (36_000, "10h00m"),
        (-1, "0s"),
    ],
)
def test_durations_read_well(seconds, text):
    assert clock_text(seconds) == text


def test_summary_shows_units():
    lines = summary_lines({"wall_s": 65.0, "eval/finish_rate": 0.9, "eval/canonical_time_s": 24.5, "x": None})
    assert [line.split() for line in lines[:2]] == [["wall_s", "1m05s"], ["finish_rate", "90%"]]
    assert lines[2].endswith("24.50 s") and lines[3].endswith("--")


def test_summary_writes_each_kind_of_value_its_own_way():
    lines = summary_lines(
        {"cpu_s": 60.0, "unheard_of": 0.25, "learner/loss": 0.5, "frames": 12345, "folder": "runs/a b"}
    )
    assert [line[25:] for line in lines] == ["1m00s", "0.250", "0.500", "12,345", "runs/a b"]


def test_core_tags_have_their_published_names():
    row = {"eval/canonical_time_s": 24.0, "learner/loss": 1.0, "eval/q_mean": 2.0, "time/learning_share": 0.5}
    row |= {"race/alltime_best_s": 23.5, "canonical/author_percent": 104.0, "frames": 1000, "wall_s": 1800.0}
    assert tensorboard.published(row, "A01") == {
        "Race/eval_race_time_finished_trained_A01": 24.0,
        "alltime_min_ms_A01": 23_500.0,
        "eval_ratio_trained_author_A01": 104.0,
        "eval_agg_ratio_trained_author": 104.0,
        "cumul_number_frames_played": 1000,
        "cumul_number_memories_generated": 1000,
        "cumul_training_hours": 0.5,
        "Training/loss": 1.0,
        "RL/avg_Q_trained_A01": 2.0,
        "Performance/learner_percentage_training": 0.5,
    }


def test_tensorboard_files_hold_own_and_published_tags(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    said = []
    sink = tensorboard.TensorboardSink(tmp_path, "A01", say=said.append)
    sink.resume([])
    assert str(tmp_path) in said[0]
    row = {name: value for name, value in ROW.items() if "best" not in name}
    sink.write(row | {"race/alltime_best_s": 30.0, "learner/loss": 0.25})
    sink.write(row | {"frames": 600, "race/alltime_best_s": 29.0})
    sink.close()
    events = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("Training/loss")] == [(500, 0.25)]
    assert [(e.step, e.value) for e in events.Scalars("alltime_min_ms_A01")] == [(500, 30_000), (600, 29_000)]
    assert "speed/frames_per_s" in events.Tags()["scalars"]


def steps(folder, tag="learner/loss"):
    """What a person sees."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    return [(e.step, e.value) for e in accumulator.EventAccumulator(str(folder)).Reload().Scalars(tag)]


def rows_at(*frames, loss):
    return [{"frames": frame, "learner/loss": loss} for frame in frames]


def tensorboard_started(folder, kept, then):
    sink = tensorboard.TensorboardSink(folder, "A01", say=lambda line: None)
    sink.resume(kept)
    for row in then:
        sink.write(row)
    return sink  # not closed: killed


def test_tensorboard_shows_each_step_once_after_kills(tmp_path):
    tensorboard_started(tmp_path, [], rows_at(100, 200, loss=1.0))
    tensorboard_started(tmp_path, [], rows_at(100, 200, 300, loss=2.0))  # killed before a checkpoint
    tensorboard_started(tmp_path, rows_at(100, 200, loss=2.0), rows_at(300, 400, loss=3.0))
    assert steps(tmp_path) == [(100, 2.0), (200, 2.0), (300, 3.0), (400, 3.0)]


def test_tensorboard_shows_both_rows_of_the_last_frame(tmp_path):
    tensorboard_started(tmp_path, [], rows_at(100, loss=1.0))
    sink = tensorboard_started(tmp_path, rows_at(100, loss=1.0), [{"frames": 100, "eval/finish_rate": 0.5}])
    sink.close()
    assert steps(tmp_path) == [(100, 1.0)] and steps(tmp_path, "eval/finish_rate") == [(100, 0.5)]


def test_tensorboard_shows_the_last_row_once_if_a_kill_came_before_its_checkpoint(tmp_path):
    loop, last = {"frames": 100, "learner/loss": 1.0}, {"frames": 100, "eval/finish_rate": 0.5}
    tensorboard_started(tmp_path, [], [*rows_at(50, loss=3.0), loop, last])
    tensorboard_started(tmp_path, [*rows_at(50, loss=3.0), loop], [last]).close()
    assert steps(tmp_path) == [(50, 3.0), (100, 1.0)] and steps(tmp_path, "eval/finish_rate") == [(100, 0.5)]


def test_a_run_that_is_only_looked_at_leaves_no_tensorboard_file(tmp_path):
    tensorboard.TensorboardSink(tmp_path / "none", "A01").close()
    tensorboard_started(tmp_path / "none", rows_at(100, loss=1.0), []).close()
    assert not (tmp_path / "none").exists()


def test_tensorboard_that_is_chosen_later_gets_the_rows_before(tmp_path):
    tensorboard_started(tmp_path, rows_at(100, 200, loss=1.0), rows_at(300, loss=1.0)).close()
    assert steps(tmp_path) == [(100, 1.0), (200, 1.0), (300, 1.0)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # tensorboard's thread
def test_tensorboard_rows_that_a_full_disk_refuses_are_written_later(tmp_path, monkeypatch):
    gfile = pytest.importorskip("tensorboard.compat.tensorflow_stub.io.gfile")
    said = []
    sink = tensorboard_started(tmp_path, [], rows_at(100, loss=1.0))
    sink.say = said.append

    def full(self, filename, content, binary_mode):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(gfile.LocalFileSystem, "append", full)
        sink.write(*rows_at(200, loss=2.0))
    assert len(said) == 1 and "No space left" in said[0]
    sink.write(*rows_at(300, loss=3.0))
    sink.close()
    assert steps(tmp_path) == [(100, 1.0), (200, 2.0), (300, 3.0)]
