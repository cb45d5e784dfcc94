"""Where rows go."""

from __future__ import annotations

import builtins
import errno
import io
import sys
import types

import pytest

from btr_tm.core.clock import Clock
from btr_tm.metrics.sinks import tensorboard, wandb
from btr_tm.metrics.sinks.console import Estimate, LiveConsole, PlainConsole
from btr_tm.metrics.sinks.jsonl import JsonlSink, read_record
from btr_tm.metrics.wording import clock_text, summary_lines

ROW = {"frames": 500, "updates": 10, "wall_s": 5.0, "cpu_s": 4.0, "speed/frames_per_s": 100.0}
ROW |= {"speed/updates_per_s": 2.0, "eval/best_canonical_time_s": 24.5, "eval/finish_rate": 0.5}


def test_record_is_read_back_and_rewound(tmp_path):
    sink = JsonlSink(tmp_path / "deep" / "record.jsonl")
    for frames in (100, 200, 300):
        sink.write(ROW | {"frames": frames})
    sink.rewind(200)
    assert [row["frames"] for row in read_record(sink.path)] == [100, 200]


def test_line_cut_short_by_a_crash_is_left_out(tmp_path):
    sink = JsonlSink(tmp_path / "record.jsonl")
    sink.write(ROW)
    with open(sink.path, "a") as file:
        file.write('{"frames": 9')
    assert read_record(sink.path) == [ROW]
    sink.rewind(1000)
    sink.write(ROW)
    assert len(read_record(sink.path)) == 2


def test_rows_that_a_full_disk_refuses_are_written_later_and_whole(tmp_path, monkeypatch):
    said = []
    sink = JsonlSink(tmp_path / "record.jsonl", said.append)
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
    assert len(said) == 1 and "No space left" in said[0] and read_record(sink.path) == [ROW]
    sink.write(ROW | {"frames": 700})
    assert [row["frames"] for row in read_record(sink.path)] == [500, 600, 700]


def test_plain_console_prints_one_line_with_the_figures(capsys):
    console = PlainConsole(1000, Clock(frames=500))
    console.write(ROW)
    console.write(ROW)  # within ten seconds: silent
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    for part in (
        "50%",
        "500 frames",
        "100 frames/s",
        "2.0 updates/s",
        "best 24.50 s",
        "finish 50%",
        "ETA 5s",
    ):
        assert part in out


def test_live_console_renders_without_a_terminal(capsys):
    console = LiveConsole(1000, Clock(frames=500))
    console.start()
    console.write(ROW)
    console.say("[a line with brackets]")
    console.close()
    assert "[a line with brackets]" in capsys.readouterr().out


def test_estimate_waits_for_updates_and_speaks_once():
    said = []
    estimate = Estimate(10_000, Clock(frames=1000), said.append)
    estimate.write(ROW | {"speed/updates_per_s": 0.0})
    estimate.write(ROW)
    estimate.write(ROW)
    assert said == ["about 1m30s to go at 100 frames/s"]


@pytest.mark.parametrize(("seconds", "text"), [(9.9, "9s"), (185, "3m05s"), (7620, "2h07m"), (-1, "0s")])
def test_durations_read_well(seconds, text):
    assert clock_text(seconds) == text


def test_summary_shows_units():
    lines = summary_lines({"wall_s": 65.0, "eval/finish_rate": 0.9, "eval/canonical_time_s": 24.5, "x": None})
    assert [line.split()[-1] for line in lines[:2]] == ["1m05s", "90%"]
    assert lines[2].endswith("24.500 s") and lines[3].endswith("--")


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


@pytest.fixture
def settings(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setattr(wandb.netrc, "netrc", lambda: (_ for _ in ()).throw(FileNotFoundError()))
    return types.SimpleNamespace(api_key=None, base_url="http://127.0.0.1:9")


def test_wandb_is_offline_without_a_key(settings):
    assert wandb.choose_mode(settings)[0] == "offline"


def test_wandb_is_offline_with_a_key_where_no_host_answers(settings, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    mode, reason = wandb.choose_mode(settings)
    assert mode == "offline" and "does not answer" in reason


def test_wandb_is_online_with_a_key_and_an_answer(settings, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setattr(wandb, "answers", lambda address: True)
    assert wandb.choose_mode(settings)[0] == "online"


class FakeWandb(types.ModuleType):
    """Records what the sink asks for."""

    def __init__(self):
        super().__init__("wandb")
        self.rows, self.axes, self.summary, self.url = [], [], {}, "https://host/run"

    def init(self, **kwargs):
        self.kwargs = kwargs
        return self

    def Settings(self, **kwargs):
        return kwargs

    def define_metric(self, name, step_metric=None):
        self.axes.append((name, step_metric))

    def log(self, row):
        self.rows.append(row)

    def finish(self):
        self.finished = True


def test_wandb_rows_lie_on_the_frames_axis_under_a_stable_id(monkeypatch, tmp_path):
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    sink = wandb.WandbSink("abc", tmp_path, {"seed": 0}, mode="offline")
    sink.write(ROW)
    sink.close()
    assert fake.kwargs["id"] == "abc" and ("*", "frames") in fake.axes
    assert fake.rows == [ROW] and fake.summary == {"best_time_s": 24.5} and fake.finished


def test_wandb_run_that_logs_nothing_leaves_nothing(monkeypatch, tmp_path):
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    wandb.WandbSink("abc", tmp_path, {}).close()
    assert not hasattr(fake, "kwargs") and list(tmp_path.iterdir()) == []


def test_tensorboard_files_hold_own_and_published_tags(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    sink = tensorboard.TensorboardSink(tmp_path, "A01", say=lambda line: None)
    row = {name: value for name, value in ROW.items() if "best" not in name}
    sink.write(row | {"race/alltime_best_s": 30.0, "learner/loss": 0.25})
    sink.write(row | {"frames": 600, "race/alltime_best_s": 29.0})
    sink.close()
    events = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("Training/loss")] == [(500, 0.25)]
    assert [(e.step, e.value) for e in events.Scalars("alltime_min_ms_A01")] == [(500, 30_000), (600, 29_000)]
    assert "speed/frames_per_s" in events.Tags()["scalars"]
