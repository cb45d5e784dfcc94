"""The workspace of Weights & Biases, as wandb-workspaces itself would send it."""

from __future__ import annotations

import json
import types
from pathlib import Path

import pytest

from btr_tm.cli.commands import dashboard
from btr_tm.core.errors import UserError
from btr_tm.metrics.catalog import CATALOG
from btr_tm.metrics.panels import SECTIONS, SHOWN
from btr_tm.metrics.sinks import wandb_mode, wandb_workspace

pytest.importorskip("wandb_workspaces")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the package's own, of pydantic


def built(sweep: str = "") -> dict:
    return wandb_workspace.as_json(wandb_workspace.workspace("team", "btr_tm", sweep))


def panels_of(view: dict) -> dict[str, list[dict]]:
    sections = view["spec"]["section"]["panelBankConfig"]["sections"]
    return {each["name"]: [panel["config"] for panel in each["panels"]] for each in sections}


def test_a_panel_for_each_figure_that_matters_by_what_it_tells() -> None:
    shown = panels_of(built())
    assert list(shown) == ["Results", *(section.title for section in SECTIONS)]
    names = [name for section in SECTIONS for name in section.names]
    assert 25 <= len(names) == len(set(names)) <= 35 and set(names) <= set(CATALOG)
    for section in SECTIONS:
        for name, panel in zip(section.names, shown[section.title], strict=True):
            assert panel["xAxis"] == "frames" and (panel["groupAgg"], panel["groupArea"]) == (
                "mean",
                "minmax",
            )
            if name in SHOWN:
                assert panel["metrics"] == [name]
            else:
                assert panel["metricRegex"].removesuffix(".*").replace("\\", "") == name.partition("{")[0]
            assert CATALOG[name].meaning in panel["chartTitle"]


def test_results_come_first_and_are_what_runs_log() -> None:
    times, races = panels_of(built())["Results"]
    assert times["metrics"] == ["best_time_s"]
    assert races["mediaKeys"] == ["media/film", "media/race_line"]


def test_runs_are_grouped_by_arm_and_may_be_those_of_one_sweep() -> None:
    (every,) = built()["spec"]["section"]["runSets"]
    (one,) = built("quickstart")["spec"]["section"]["runSets"]
    assert [key["name"] for key in one["grouping"]] == ["arm.value"]
    assert [key["name"] for key in every["grouping"]] == ["sweep.value", "arm.value"]
    assert not every["filters"].get("filters")
    (wanted,) = one["filters"]["filters"]
    assert (wanted["key"]["section"], wanted["op"], wanted["value"]) == ("config", "=", "quickstart")
    assert wanted["key"]["name"] == "sweep.value", "what our runs log, and not the sweeps of W&B"


@pytest.fixture
def mode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    found = ["offline", "no key is configured; upload later"]
    monkeypatch.setattr(wandb_mode, "settings_now", lambda: None)
    monkeypatch.setattr(wandb_mode, "choose_mode", lambda wanted, settings: tuple(found))
    return found


@pytest.mark.parametrize("now", ["offline", "disabled"])
def test_where_wandb_is_not_online_the_view_is_a_file(mode, capsys: pytest.CaptureFixture[str], now) -> None:
    mode[0] = now
    dashboard.main(["quickstart", "--entity", "team"])
    assert capsys.readouterr().out == f"wandb is {now} (no key is configured)\ndashboard.json\n"
    written = json.loads(Path("dashboard.json").read_text())
    assert (written["entity"], written["project"], written["name"]) == ("team", "btr_tm", "btr_tm quickstart")
    assert panels_of(written).keys() == panels_of(built()).keys()


def test_the_folder_of_a_sweep_is_its_name(mode, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/quickstart").mkdir(parents=True)
    dashboard.main(["runs/quickstart/"])
    assert json.loads(Path("dashboard.json").read_text())["name"] == "btr_tm quickstart"


def test_where_wandb_is_online_the_link_is_printed(
    mode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wandb_workspaces.workspaces import Workspace

    sent = []

    def save_as_new_view(self):
        sent.append(wandb_workspace.as_json(self))
        return types.SimpleNamespace(url="https://wandb.ai/me/btr_tm?nw=abc")

    mode[0] = "online"
    monkeypatch.setattr(Workspace, "save_as_new_view", save_as_new_view)
    monkeypatch.setattr(wandb_workspace, "default_entity", lambda: "me")
    dashboard.main(["quickstart"])
    assert capsys.readouterr().out == "https://wandb.ai/me/btr_tm?nw=abc\n"
    assert sent[0]["entity"] == "me" and not Path("dashboard.json").exists()


def test_a_view_that_the_server_does_not_take_is_one_sentence_and_a_file(
    mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wandb_workspaces.workspaces import Workspace

    def save_as_new_view(self):
        raise ConnectionError("no\nroute")

    mode[0] = "online"
    monkeypatch.setattr(Workspace, "save_as_new_view", save_as_new_view)
    with pytest.raises(SystemExit, match=r"does not take the dashboard \(no route\)"):
        dashboard.main(["--entity", "me"])
    assert Path("dashboard.json").exists()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    with pytest.raises(UserError, match=r"pip install 'btr-tm\[dashboard\]'"):
        built()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--project", "team/btr"], "must be the name alone"),
        (["--json", "x.txt"], "must end in .json"),
        (["--json", "missing/x.json"], "does not exist"),
    ],
)
def test_a_mistake_is_one_sentence(mode, words: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit, match=sentence):
        dashboard.main(words)
