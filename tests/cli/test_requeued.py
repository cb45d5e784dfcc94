"""A run that overwrites an earlier one: said when it stops, and not done twice by a job that begins again."""

from __future__ import annotations

from pathlib import Path

import pytest

from btr_tm.cli.assembly.assemble import REQUEUED, build
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.run.run import Run


def built(folder: Path, *words: str) -> Run:
    small = ("profile=smoke", "encoder=none", "logger=none", f"runs_dir={folder.as_posix()}")
    return build(compose_job([*small, "eval=inline", "collector=inline", *words]))


@pytest.mark.parametrize("again", [None, "0", "1"])
def test_only_the_first_start_of_a_job_overwrites(again: str | None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv(REQUEUED, raising=False)
    run = built(tmp_path)
    run.close()
    kept = run.folder / "checkpoints" / "frames_000000000001.pt"
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(b"of before")
    if again is not None:
        monkeypatch.setenv(REQUEUED, again)
    run = built(tmp_path, "on_existing=overwrite")
    run.close()
    assert kept.exists() == (again == "1")
    assert run.again == ("the same command" + ("" if again == "1" else " without on_existing=overwrite"))


@pytest.mark.parametrize(("frames", "learns"), [(256, False), (512, True)])
def test_a_run_that_ends_in_its_warm_up_says_so(frames: int, learns: bool, tmp_path: Path) -> None:
    run = built(tmp_path, f"profile.total_frames={frames}", "profile.warmup_frames=256")
    run.close()
    said = run.facts.get("learning", "")
    assert said == ("" if learns else "none: the warm-up takes 256 frames; lower profile.warmup_frames")
