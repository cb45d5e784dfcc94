"""What a command says at its end about the jobs it ran."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from btr_tm.cli.commands import train
from btr_tm.core.errors import UserError
from btr_tm.core.interrupts import Interrupts
from btr_tm.run import status as status_of


def jobs(folder: Path, **states: str) -> list[SimpleNamespace]:
    for name, state in states.items():
        if state:
            train._write_status(folder / name, state, f"reason of {name}" if state == "failed" else "")
    return [SimpleNamespace(folder=folder / name) for name in states]


def test_jobs_that_ended_well_are_not_mentioned(tmp_path: Path) -> None:
    train._refuse_failed(jobs(tmp_path, a="done", b="stopped"))


def test_a_job_that_a_scheduler_stopped_elsewhere_is_not_taken_for_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train._end_unfinished(jobs(tmp_path, a="done"))
    with pytest.raises(SystemExit) as end:
        train._end_unfinished(jobs(tmp_path, a="done", b="stopped"))
    assert end.value.code == 75
    assert capsys.readouterr().err == "btr_tm: 1 of 2 runs stopped; the same command continues\n"


def test_a_failed_job_gives_its_reason_and_several_are_counted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="^reason of a$"):
        train._refuse_failed(jobs(tmp_path, a="failed"))
    with pytest.raises(UserError, match="1 of 2 runs failed: .*/b: reason of b"):
        train._refuse_failed(jobs(tmp_path, a="done", b="failed"))


def test_a_job_without_a_readable_status_counts_as_failed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="status.json is missing or cannot be read"):
        train._refuse_failed(jobs(tmp_path, a=""))
    (job,) = jobs(tmp_path, b="done")
    (job.folder / "status.json").write_text("")  # a full disk
    with pytest.raises(UserError, match="status.json is missing or cannot be read"):
        train._refuse_failed([job])


def test_a_job_that_another_program_was_refused_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = jobs(tmp_path, a="done")
    monkeypatch.setenv(status_of.PROGRAM, "other_7")
    train._write_status(job.folder, "failed", "in use", status_of.refused_name())
    monkeypatch.setenv(status_of.PROGRAM, "mine_8")
    train._refuse_failed([job])
    monkeypatch.setenv(status_of.PROGRAM, "other_7")
    with pytest.raises(UserError, match="^in use$"):
        train._refuse_failed([job])
    train._refuse_failed([job])  # it has been said


def test_a_status_that_cannot_be_written_is_said_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    train._write_status(tmp_path / "file", "failed", "no room")
    said = capsys.readouterr().err
    assert "failed, but status.json could not be written" in said and "no room" in said


@pytest.mark.parametrize(("reason", "code"), [("", 75), ("no room", "btr_tm: no room")])
def test_a_sweep_ended_by_a_signal_says_what_could_not_be_saved(
    monkeypatch: pytest.MonkeyPatch, reason: str, code: int | str
) -> None:
    def saved_in_vain(job: None) -> str:
        interrupts.ask(signal.SIGTERM)
        return reason

    interrupts = Interrupts()
    interrupts.is_program = True
    monkeypatch.setattr(interrupts, "listen", lambda: None)
    monkeypatch.setattr(train, "INTERRUPTS", interrupts)
    monkeypatch.setattr(train, "current_job", lambda cfg: None)
    monkeypatch.setattr(train, "_run_locked", saved_in_vain)
    with pytest.raises(SystemExit) as end:
        train.run_job(OmegaConf.create())
    assert end.value.code == code
