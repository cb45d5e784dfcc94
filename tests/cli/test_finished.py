"""A sweep typed again passes over runs that are done, without building them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from btr_tm.cli.assembly.assemble import NOT_RECORDED, is_finished
from btr_tm.cli.assembly.parts import checked
from btr_tm.cli.commands import train
from btr_tm.cli.configuration.composition import Composition, compose_job
from btr_tm.cli.configuration.schema import Node
from btr_tm.core.files import write_json
from btr_tm.run import status
from btr_tm.run.manifest import claim
from btr_tm.run.status import Status

FILES = ["manifest.json", "status.json", "summary.json"]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return ["profile=smoke", f"runs_dir={tmp_path_factory.mktemp('runs').as_posix()}"]


@pytest.fixture(scope="module")
def composed(words: list[str]) -> tuple[Composition, Node]:
    """A job, and its values when they are checked; nothing changes them."""
    job = compose_job(words)
    return job, checked(job.values)


@pytest.fixture
def job(composed: tuple[Composition, Node]) -> Composition:
    """One whose folder says that it is done."""
    job, values = composed
    shutil.rmtree(job.folder, ignore_errors=True)  # what another test has put there
    recorded = {key: value for key, value in values.items() if key not in NOT_RECORDED}
    claim(job.folder, recorded, job.overrides, 0, "overwrite")
    write_json(job.folder / "summary.json", {"frames": values["profile"]["total_frames"]})
    status.write(job.folder, Status("done"))
    return job


def test_a_run_that_is_done_needs_nothing_more(job: Composition) -> None:
    assert is_finished(job)


@pytest.mark.parametrize(
    "change",
    ["profile.total_frames=100000", "on_existing=overwrite", "schedule.speed=2", "convention.kappa=0.1"],
)
def test_a_run_that_is_to_be_longer_other_or_new_is_not(
    job: Composition, words: list[str], change: str
) -> None:
    key, _, value = change.partition("=")
    changed = compose_job([*words, change])
    assert not is_finished(Composition(changed.cfg, changed.choices, changed.overrides, job.folder))


@pytest.mark.parametrize("state", ["stopped", "failed", "crashed", "running"])
def test_a_run_that_did_not_end_well_is_tried_again(job: Composition, state: str) -> None:
    status.write(job.folder, Status(state))
    assert not is_finished(job)


@pytest.mark.parametrize("name", ["summary.json", "manifest.json", "status.json"])
def test_a_folder_that_lacks_something_is_looked_at_by_the_run_itself(job: Composition, name: str) -> None:
    (job.folder / name).unlink()
    assert not is_finished(job)


def test_a_track_of_the_users_own_is_compared_by_the_run_itself(job: Composition) -> None:
    (job.folder / "track").mkdir()
    assert not is_finished(job)


@pytest.mark.parametrize("frames", ['"all"', "null", "true", "1e3"])
def test_a_summary_that_says_nothing_is_none(job: Composition, frames: str, tmp_path: Path) -> None:
    (job.folder / "summary.json").write_text(f'{{"frames": {frames}}}')
    assert not is_finished(job)


def test_what_is_refused_leaves_a_run_that_is_done_as_it_was(
    job: Composition, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = [*words, "device=nowhere", "logger=none"]
    monkeypatch.setattr("sys.argv", ["btr_tm", *overrides])
    assert compose_job(overrides).folder == job.folder
    with pytest.raises(SystemExit, match="there is no device nowhere here; write device=auto, cpu or cuda"):
        train.main()
    assert status.read(job.folder) == Status("done")
    assert sorted(path.name for path in job.folder.glob("*.json")) == FILES


def test_nothing_typed_trains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["btr_tm"])
    with pytest.raises(SystemExit, match=r"name what to train: python -m btr_tm \+experiment=quickstart"):
        train.main()
