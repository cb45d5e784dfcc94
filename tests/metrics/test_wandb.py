"""Weights & Biases: modes, names, and what a continued run logs."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path

import psutil
import pytest

from btr_tm.core.errors import UserError
from btr_tm.metrics.catalog import CATALOG
from btr_tm.metrics.sinks import background, wandb, wandb_mode
from btr_tm.metrics.sinks.wandb_file import read

ROW = {"frames": 500, "updates": 10, "eval/best_canonical_time_s": 24.5, "eval/finish_rate": 0.5}


@pytest.fixture
def settings(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setattr(wandb_mode.netrc, "netrc", lambda: (_ for _ in ()).throw(FileNotFoundError()))
    return types.SimpleNamespace(api_key=None, base_url="http://127.0.0.1:9", mode="online")


def test_wandb_is_offline_without_a_key(settings):
    assert wandb_mode.choose_mode("auto", settings)[0] == "offline"


@pytest.mark.parametrize(
    ("said", "mode"),
    [("online", "online"), ("offline", "offline"), ("dryrun", "offline"), ("run", "online")],
)
def test_wandb_mode_of_the_environment_is_followed_without_a_question(settings, monkeypatch, said, mode):
    monkeypatch.setenv("WANDB_MODE", said)
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setattr(wandb_mode, "answers", lambda address: pytest.fail("asked"))
    settings.mode = said
    assert wandb_mode.choose_mode("auto", settings)[0] == mode


@pytest.mark.parametrize("wanted", ["auto", "online", "offline"])
def test_wandb_that_is_switched_off_stays_off(settings, wanted):
    settings.mode = "disabled"
    assert wandb_mode.choose_mode(wanted, settings)[0] == "disabled"


def test_a_mode_that_was_typed_comes_before_a_guess(settings):
    assert wandb_mode.choose_mode("online", settings) == ("online", "")


def test_a_key_is_found_in_the_settings_and_in_the_netrc_file(settings, monkeypatch):
    assert not wandb_mode.key_configured(settings)
    assert wandb_mode.key_configured(types.SimpleNamespace(api_key="x" * 40))
    known = {"127.0.0.1": ("user", None, "x" * 40)}
    monkeypatch.setattr(wandb_mode.netrc, "netrc", lambda: types.SimpleNamespace(authenticators=known.get))
    assert wandb_mode.key_configured(settings)
    assert not wandb_mode.key_configured(types.SimpleNamespace(base_url="http://elsewhere"))


def test_a_host_answers_if_it_speaks_in_time(monkeypatch):
    asked = []

    def urlopen(address, timeout):
        asked.append((address, timeout))
        return io.BytesIO()

    monkeypatch.setattr(wandb_mode.urllib.request, "urlopen", urlopen)
    assert wandb_mode.answers("http://host", 1.5) and asked == [("http://host", 1.5)]


def test_an_error_page_is_an_answer_and_a_closed_port_is_none(monkeypatch):
    def refused(address, timeout):
        raise wandb_mode.urllib.error.HTTPError(address, 404, "not found", None, None)

    monkeypatch.setattr(wandb_mode.urllib.request, "urlopen", refused)
    assert wandb_mode.answers("http://host")
    monkeypatch.undo()
    assert not wandb_mode.answers("http://127.0.0.1:9")


def test_wandb_is_offline_with_a_key_where_no_host_answers(settings, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    mode, reason = wandb_mode.choose_mode("auto", settings)
    assert mode == "offline" and "does not answer" in reason


def test_wandb_is_online_with_a_key_and_an_answer(settings, monkeypatch):
    settings.api_key = "x" * 40
    monkeypatch.setattr(wandb_mode, "answers", lambda address: True)
    assert wandb_mode.choose_mode("auto", settings)[0] == "online"


class FakeWandb(types.ModuleType):
    """Records what the sink asks for; `step` rows lie on its server."""

    class errors:
        class Error(Exception):
            pass

    def __init__(self, step=0):
        super().__init__("wandb")
        self.rows, self.axes, self.summary, self.url = [], [], {}, "https://host/run"
        self.finished, self.step, self.id = 0, step, "abc"
        self.steps, self.artifacts = [], []
        self.settings = types.SimpleNamespace(mode="online")

    def setup(self):
        return self

    def init(self, **kwargs):
        self.kwargs = kwargs
        return self

    def Settings(self, **kwargs):
        return kwargs

    def define_metric(self, name, step_metric, hidden=False):
        self.axes.append((name, step_metric, hidden))

    def log(self, row, step=None, commit=True):
        self.rows.append(row)
        self.steps.append((step, commit))

    def Image(self, path):
        return path

    def Video(self, path, format):
        return path, format

    def Artifact(self, name, type):
        made = types.SimpleNamespace(name=name, type=type, files=[])
        made.add_file = made.files.append
        return made

    def log_artifact(self, artifact):
        self.artifacts.append(artifact)

    def finish(self, exit_code):
        self.finished += 1
        self.exit_code = exit_code

    def teardown(self):
        pass


@pytest.fixture
def fake(monkeypatch):
    made = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", made)
    return made


def test_calls_after_one_that_failed_are_not_made_and_nobody_waits_for_them():
    failed, made = [], []

    def fail():
        raise ValueError("lost")

    calls = background.Background(failed.append)
    assert calls.within(60, lambda: made.append(1))
    assert calls.later(fail)
    assert calls.within(60, lambda: made.append(2))
    assert made == [1] and [str(error) for error in failed] == ["lost"]


def wandb_sink(folder, config, **options):
    usual = {"entity": None, "project": "p", "name": "n", "group": "g", "tags": [], "mode": "offline"}
    usual["write_driver"] = lambda path: path.parent.mkdir(exist_ok=True) or path.write_text("weights")
    return wandb.WandbSink("abc", folder, config, **(usual | options))


def test_the_frames_are_the_step_of_wandb_under_a_stable_id(fake, tmp_path):
    sink = wandb_sink(tmp_path, {"seed": 0})
    sink.resume([])
    sink.write(ROW)
    sink.close()
    assert fake.kwargs["id"] == "abc" and fake.finished == 1
    assert fake.rows == [ROW] and fake.steps == [(500, True)] and fake.summary == {"best_time_s": 24.5}
    assert fake.exit_code == wandb.INTERRUPTED, "its results were not shown"


def test_wandb_makes_panels_of_what_matters_alone(fake, tmp_path):
    sink = wandb_sink(tmp_path, {})
    sink.resume([])
    sink.close()
    assert {axis for _, axis, _ in fake.axes} == {"frames"}
    shown = [name for name, _, hidden in fake.axes if not hidden]
    assert 20 <= len(shown) <= 30 and "eval/canonical_time_s" in shown
    hidden = {name.removesuffix("*") for name, _, hidden in fake.axes if hidden}
    assert all(name in shown or name.startswith(tuple(hidden)) for name in CATALOG if "/" in name)
    assert not [(one, two) for one in hidden for two in hidden if one != two and one.startswith(two)]


SETTINGS = {"silent": True, "console": "off", "init_timeout": wandb.START_S}


def test_wandb_gets_what_the_configuration_says(fake, tmp_path):
    said = []
    names = {"entity": "e", "project": "p", "name": "n", "group": "g", "job_type": "j", "tags": ["t"]}
    sink = wandb_sink(tmp_path, {"seed": 0}, **names, mode="online", say=said.append)
    sink.resume([])
    expected = {"id": "abc", "dir": str(tmp_path), "config": {"seed": 0}, "mode": "online"} | names
    assert fake.kwargs == expected | {"resume": "allow", "settings": SETTINGS}
    assert said == ["wandb: online", "wandb: https://host/run"]


def test_wandb_auto_asks_once_and_says_why(fake, monkeypatch, tmp_path):
    said = []
    monkeypatch.setattr(wandb, "choose_mode", lambda wanted, settings: ("offline", f"{wanted} says so"))
    sink = wandb_sink(tmp_path, {}, mode="auto", say=said.append)
    sink.resume([])
    sink.write(ROW)
    sink.write(ROW)
    sink.close()
    sink.close()  # a second time does nothing
    assert fake.kwargs["mode"] == "offline" and said == ["wandb: offline (auto says so)"]
    assert len(fake.rows) == 2 and fake.finished == 1


def test_wandb_run_that_is_only_looked_at_leaves_nothing(fake, tmp_path):
    wandb_sink(tmp_path, {}).close()
    assert not hasattr(fake, "kwargs") and list(tmp_path.iterdir()) == []


def test_wandb_that_is_disabled_writes_nothing(fake, tmp_path):
    said = []
    fake.settings.mode = "disabled"
    sink = wandb_sink(tmp_path, {}, mode="auto", say=said.append)
    sink.resume([ROW])
    sink.write(ROW)
    sink.close()
    assert not hasattr(fake, "kwargs") and list(tmp_path.iterdir()) == []
    assert len(said) == 1 and said[0].startswith("wandb: disabled")


@pytest.mark.parametrize(("on_server", "sent"), [(0, [1, 2, 3, 4]), (2, [2, 3, 4]), (4, [4]), (9, [])])
def test_rows_that_the_server_has_are_not_sent_again(monkeypatch, tmp_path, on_server, sent):
    fake = FakeWandb(step=on_server)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    sink = wandb_sink(tmp_path, {}, mode="online", say=lambda line: None)
    sink.resume([{"frames": 1}, {"frames": 2}])
    sink.write({"frames": 3})
    sink.write({"frames": 4})
    sink.close()
    assert [row["frames"] for row in fake.rows] == sent


def test_a_run_that_the_server_refuses_is_logged_offline(fake, tmp_path):
    def init(**kwargs):
        if kwargs["mode"] == "online":
            raise fake.errors.Error("permission\ndenied")
        return begun(**kwargs)

    said, begun, fake.init = [], fake.init, init
    sink = wandb_sink(tmp_path, {}, mode="online", say=said.append)
    sink.resume([ROW])
    sink.close()
    assert said == ["wandb: online", "wandb: offline (permission denied); upload later with wandb sync"]
    assert fake.kwargs["mode"] == "offline" and fake.rows == [ROW]


@pytest.mark.parametrize("where", ["init", "define_metric", "log", "finish"])
@pytest.mark.parametrize("error", [ConnectionResetError, TypeError, AssertionError])
def test_whatever_fails_in_wandb_is_said_and_training_goes_on(fake, tmp_path, where, error):
    def fail(*known, **named):
        raise error("connection\nlost")

    said = []
    setattr(fake, where, fail)
    sink = wandb_sink(tmp_path, {}, say=said.append)
    sink.resume([])
    sink.write(ROW)
    sink.write(ROW)
    sink.show({})
    sink.close()
    assert len(said) == 2 and said[1].startswith("wandb has stopped (connection lost); training goes on")
    assert f"wandb sync {tmp_path.as_posix()}/wandb/" in said[1]


@pytest.mark.parametrize("where", ["init", "log", "finish"])
def test_training_waits_for_no_wandb_that_hangs(fake, tmp_path, monkeypatch, where):
    released, ended = threading.Event(), []
    real = getattr(fake, where)

    def hang(*known, **named):
        released.wait()
        return real(*known, **named)

    said = []
    setattr(fake, where, hang)
    monkeypatch.setattr(wandb, "START_S", 120.0 if where != "init" else 0.1)
    monkeypatch.setattr(wandb, "END_S", {"online": 0.1, "offline": 0.1})
    monkeypatch.setattr(wandb, "end_service", lambda: ended.append(where))
    sink = wandb_sink(tmp_path, {}, say=said.append)
    sink.resume([])
    for _ in range(2 * background.MOST_WAITING):
        sink.write(ROW)
    sink.close()
    released.set()
    assert "wandb has stopped" in said[1] and len(said) == 2 and ended == [where]


def test_what_a_finished_run_leaves_is_shown_and_kept(fake, tmp_path):
    best = tmp_path / "best"
    best.mkdir()
    for name in ("race.inputs", "race.mp4", "race.png"):
        (best / name).write_text(name)
    files = {"race_line": best / "race.png", "film": best / "race.mp4", "inputs": best / "race.inputs"}
    sink = wandb_sink(tmp_path, {})
    sink.resume([ROW])
    sink.show(files)
    sink.close()
    picture, film = str(best / "race.png"), str(best / "race.mp4")
    shown = {"media/race_line": picture, "media/film": (film, "mp4")}
    assert fake.rows == [ROW, {"frames": 500} | shown] and fake.exit_code == 0
    driver, race = fake.artifacts
    assert (driver.name, driver.type) == ("abc-driver", "driver")
    assert [Path(file).read_text() for file in driver.files] == ["weights"]
    assert (race.name, race.type) == ("abc-race", "race")
    assert race.files == [str(best / name) for name in ("race.inputs", "race.mp4", "race.png")]


def test_a_run_without_a_race_still_keeps_its_driver(fake, tmp_path):
    sink = wandb_sink(tmp_path, {})
    sink.resume([])
    sink.show({})
    sink.close()
    assert [each.type for each in fake.artifacts] == ["driver"] and fake.rows == []


@pytest.mark.parametrize(
    ("project", "sentence"),
    [
        ("team/btr", "project=btr and logger.wandb.entity=team"),
        ("a/b/c", r"none of / \\ # \? % :, got 'a/b/c'"),
        ("", "1 to 128 characters"),
        ("x" * 129, "1 to 128 characters"),
    ],
)
def test_a_name_that_no_project_can_have_is_refused(tmp_path, project, sentence):
    with pytest.raises(UserError, match=sentence):
        wandb_sink(tmp_path, {}, project=project)


def offline_steps(folder):
    """Frames of each history record, by file, as they lie on the disk."""
    return {
        path.parent: [row["frames"] for row in read(path).rows]
        for path in folder.glob("wandb/offline-run-*/*.wandb")
    }


def test_an_offline_run_is_one_whole_folder_after_every_kill(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)

    import wandb as real

    def started(kept, then):
        sink = wandb_sink(tmp_path, {}, say=lambda line: None)
        sink.resume([{"frames": frames} for frames in kept])
        for frames in then:
            sink.write({"frames": frames})
        return sink

    started([], [100, 200, 300]).close()
    killed = started([100, 200], [300])
    killed._thread.within(60, killed._run.finish)
    real.teardown()  # all that it ever writes; the folder before stays
    assert sorted(offline_steps(tmp_path).values()) == [[100, 200, 300], [100, 200, 300]]
    started([100, 200], [300, 300, 400]).close()  # the last evaluation may come in the frame of another row
    assert list(offline_steps(tmp_path).values()) == [[100, 200, 300, 300, 400]]


HANGING = """
import os, signal, sys
import psutil
from btr_tm.metrics.sinks import wandb
wandb.END_S = {"online": 1.0, "offline": 1.0}
tags = {"entity": None, "project": "p", "name": "n", "group": "g", "tags": []}
sink = wandb.WandbSink("abc", ".", {}, **tags, mode="offline", write_driver=lambda path: path.write_text("w"))
sink.resume([])
for child in psutil.Process().children():
    child.send_signal(int(sys.argv[1]))
for row in range(100):
    sink.write({f"weights/l2.{i}": 0.5 for i in range(500)} | {"frames": 100.0 * row})
sink.close()
print("trained")
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_program_whose_wandb_hangs_or_dies_ends_as_if_there_were_none(tmp_path, number):
    told = os.environ | {"WANDB_MODE": "offline", "WANDB_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", HANGING, str(int(number))]
    done = subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, text=True, timeout=900)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, last = done.stdout.splitlines()
    assert first == "wandb: offline" and second.startswith("wandb has stopped (") and last == "trained"


def test_wandb_that_is_disabled_starts_no_process_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    before = psutil.Process().children()
    sink = wandb_sink(tmp_path, {}, mode="auto", say=lambda line: None)
    sink.resume([ROW])
    sink.write(ROW)
    sink.show({})
    sink.close()
    assert psutil.Process().children() == before and list(tmp_path.iterdir()) == []
