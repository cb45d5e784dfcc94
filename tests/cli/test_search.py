"""experiments/search: what a trial runs, and what it tells Optuna, which is not installed here."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "search" / "search.py"


class Study:
    """Asks for one value of each kind, and keeps what it is told."""

    best_value, best_params = 1.0, {"tau": 0.01}

    def __init__(self) -> None:
        self.told: list[object] = []

    def ask(self) -> types.SimpleNamespace:
        number = len(self.told)
        return types.SimpleNamespace(number=number, suggest_float=lambda name, low, high, log: low)

    def tell(self, trial: types.SimpleNamespace, value: object = None, state: object = None) -> None:
        self.told.append(state or value)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    found = Study()
    optuna = types.ModuleType("optuna")
    optuna.Trial = types.SimpleNamespace  # type: ignore[attr-defined]
    optuna.create_study = lambda **known: found  # type: ignore[attr-defined]
    optuna.trial = types.SimpleNamespace(TrialState=types.SimpleNamespace(FAIL="failed"))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "optuna", optuna)
    return found


def test_a_trial_is_one_command_and_its_value_the_time_at_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, study: Study
) -> None:
    spec = importlib.util.spec_from_file_location("search", SCRIPT)
    assert spec is not None and spec.loader is not None
    search = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(search)
    results = iter([{"eval/canonical_time_s": 31.5}, {}, None])
    commands = []

    def run(command: list[str]) -> types.SimpleNamespace:
        commands.append(command)
        folder = Path(next(word for word in command if word.startswith("hydra.run.dir=")).split("=")[1])
        summary = next(results)
        if summary is not None:
            folder.mkdir(parents=True)
            (folder / "summary.json").write_text(json.dumps(summary))
        return types.SimpleNamespace(returncode=int(summary is None))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(search.subprocess, "run", run)
    search.main(["--trials", "3", "profile=smoke"])
    assert study.told == [31.5, search.FAILED_S, "failed"]
    assert commands[0][1:4] == ["-m", "btr_tm", "+experiment=quickstart"] and "profile=smoke" in commands[0]
    from btr_tm.cli.configuration.composition import compose_job

    job = compose_job(commands[2][3:])  # what it writes can be composed
    assert job.folder.as_posix() == "runs/search/trial_2"
    assert (
        job.values["schedule"]["learning_rate"] == 1e-4
        and job.values["learner"]["target_sync"]["tau"] == 0.005
    )
