"""Weights & Biases: modes, names, and what a continued run logs."""

from __future__ import annotations

import io
import sys
import types

import pytest

from btr_tm.core.errors import UserError
from btr_tm.metrics.sinks import wandb
from btr_tm.metrics.sinks.wandb_file import read

ROW = {"frames": 500, "updates": 10, "eval/best_canonical_time_s": 24.5, "eval/finish_rate": 0.5}


@pytest.fixture
def settings(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setattr(wandb.netrc, "netrc", lambda: (_ for _ in ()).throw(FileNotFoundError()))
    return types.SimpleNamespace(api_key=None, base_url="http://127.0.0.1:9", mode="online")


def test_wandb_is_offline_without_a_key(settings):
    assert wandb.choose_mode("auto", settings)[0] == "offline"


@pytest.mark.parametrize(
    ("said", "mode"),
    [("online", "online"), ("offline", "offline"), ("dryrun", "offline"), ("run", "online")],
)
def test_wandb_mode_of_the_environment_is_followed_without_a_question(settings, monkeypatch, said, mode):
    monkeypatch.setenv("WANDB_MODE", said)
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setattr(wandb, "answers", lambda address: pytest.fail("asked"))
    settings.mode = said
    assert wandb.choose_mode("auto", settings)[0] == mode


@pytest.mark.parametrize("wanted", ["auto", "online", "offline"])
def test_wandb_that_is_switched_off_stays_off(settings, wanted):
    settings.mode = "disabled"
    assert wandb.choose_mode(wanted, settings)[0] == "disabled"


def test_a_mode_that_was_typed_comes_before_a_guess(settings):
    assert wandb.choose_mode("online", settings) == ("online", "")


def test_a_key_is_found_in_the_settings_and_in_the_netrc_file(settings, monkeypatch):
    assert not wandb.key_configured(settings)
    assert wandb.key_configured(types.SimpleNamespace(api_key="x" * 40))
    known = {"127.0.0.1": ("user", None, "x" * 40)}
    monkeypatch.setattr(wandb.netrc, "netrc", lambda: types.SimpleNamespace(authenticators=known.get))
    assert wandb.key_configured(settings)
    assert not wandb.key_configured(types.SimpleNamespace(base_url="http://elsewhere"))


def test_a_host_answers_if_it_speaks_in_time(monkeypatch):
    asked = []

    def urlopen(address, timeout):
        asked.append((address, timeout))
        return io.BytesIO()

    monkeypatch.setattr(wandb.urllib.request, "urlopen", urlopen)
    assert wandb.answers("http://host", 1.5) and asked == [("http://host", 1.5)]


def test_an_error_page_is_an_answer_and_a_closed_port_is_none(monkeypatch):
    def refused(address, timeout):
        raise wandb.urllib.error.HTTPError(address, 404, "not found", None, None)

    monkeypatch.setattr(wandb.urllib.request, "urlopen", refused)
    assert wandb.answers("http://host")
    monkeypatch.undo()
    assert not wandb.answers("http://127.0.0.1:9")


def test_wandb_is_offline_with_a_key_where_no_host_answers(settings, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    mode, reason = wandb.choose_mode("auto", settings)
    assert mode == "offline" and "does not answer" in reason


def test_wandb_is_online_with_a_key_and_an_answer(settings, monkeypatch):
    settings.api_key = "x" * 40
    monkeypatch.setattr(wandb, "answers", lambda address: True)
    assert wandb.choose_mode("auto", settings)[0] == "online"


class FakeWandb(types.ModuleType):
    """Records what the sink asks for; `step` rows lie on its server."""

    class errors:
        class Error(Exception):
            pass

    def __init__(self, step=0):
        super().__init__("wandb")
        self.rows, self.axes, self.summary, self.url = [], [], {}, "https://host/run"
        self.finished, self.step = 0, step
        self.settings = types.SimpleNamespace(mode="online")

    def setup(self):
        return self

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
        self.finished += 1

    def teardown(self):
        assert self.finished


@pytest.fixture
def fake(monkeypatch):
    made = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", made)
    return made


def wandb_sink(folder, config, **options):
    usual = {"entity": None, "project": "p", "name": "n", "group": "g", "tags": [], "mode": "offline"}
    return wandb.WandbSink("abc", folder, config, **(usual | options))


def test_wandb_rows_lie_on_the_frames_axis_under_a_stable_id(fake, tmp_path):
    sink = wandb_sink(tmp_path, {"seed": 0})
    sink.resume([])
    sink.write(ROW)
    sink.close()
    assert fake.kwargs["id"] == "abc" and fake.axes == [("frames", None), ("*", "frames")]
    assert fake.rows == [ROW] and fake.summary == {"best_time_s": 24.5} and fake.finished == 1


def test_wandb_gets_what_the_configuration_says(fake, tmp_path):
    said = []
    names = {"entity": "e", "project": "p", "name": "n", "group": "g", "job_type": "j", "tags": ["t"]}
    sink = wandb_sink(tmp_path, {"seed": 0}, **names, mode="online", say=said.append)
    sink.resume([])
    expected = {"id": "abc", "dir": str(tmp_path), "config": {"seed": 0}, "mode": "online"} | names
    assert fake.kwargs == expected | {"resume": "allow", "settings": {"silent": True}}
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


@pytest.mark.parametrize(("on_server", "sent"), [(0, [1, 2, 3, 4]), (1, [2, 3, 4]), (3, [4]), (9, [])])
def test_rows_that_the_server_has_are_not_sent_again(monkeypatch, tmp_path, on_server, sent):
    fake = FakeWandb(step=on_server)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    sink = wandb_sink(tmp_path, {}, mode="online", say=lambda line: None)
    sink.resume([{"frames": 1}, {"frames": 2}])
    sink.write({"frames": 3})
    sink.write({"frames": 4})
    assert [row["frames"] for row in fake.rows] == sent


def test_a_run_that_the_server_refuses_is_one_sentence(fake, tmp_path):
    def init(**kwargs):
        raise fake.errors.Error("permission\ndenied")

    fake.init = init
    with pytest.raises(UserError, match=r"\(permission denied\); set logger.wandb.mode=offline"):
        wandb_sink(tmp_path, {}, mode="online", say=lambda line: None).resume([])


def test_training_goes_on_without_the_process_that_wandb_writes_with(fake, tmp_path):
    said = []

    def log(row):
        raise ConnectionResetError("Connection lost")

    sink = wandb_sink(tmp_path, {}, say=said.append)
    sink.resume([])
    fake.log = log
    sink.write(ROW)
    sink.write(ROW)
    sink.close()
    assert len(said) == 2 and "Connection lost" in said[1] and fake.finished == 0


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
    killed._run.finish()
    real.teardown()  # all that it ever writes; the folder before stays
    assert sorted(offline_steps(tmp_path).values()) == [[100, 200, 300], [100, 200, 300]]
    started([100, 200], [300, 400]).close()
    assert list(offline_steps(tmp_path).values()) == [[100, 200, 300, 400]]
