"""Outputs that cannot be written are refused before the work, in one sentence."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import pytest

from btr_tm.cli.assembly import driver
from btr_tm.cli.commands import train
from btr_tm.cli.commands.common import refuse_unwritable_file, refuse_unwritable_folder
from btr_tm.core.errors import UserError
from btr_tm.report.video import write_film

NO_PLACE = Path("/proc/x")  # where nobody can make anything, not even root
needs_proc = pytest.mark.skipif(not NO_PLACE.parent.is_dir(), reason="needs /proc")


@pytest.mark.parametrize(
    ("command", "words", "sentence"),
    [
        ("watch", ["--out", "film.xyz"], "the name must end in .mp4 or .mkv or .mov or .gif, got film.xyz"),
        ("watch", ["--out", "none/film.mp4"], "the folder none does not exist"),
        ("watch", ["--out", "film.mp4", "--fps", "7"], "fps must be one of"),
        pytest.param("inputs", ["run", "--out", "/dev/null"], "/dev/null is no file", marks=needs_proc),
        ("watch", ["--out", "here"], "here is a folder; add the name of a file"),
        ("evaluate", ["run", "--video", "film.xyz"], "the name must end in .mp4"),
        ("export", ["run", "none/x.safetensors"], "the folder none does not exist"),
        ("export", ["run", "here/x"], "the name must end in .safetensors, got here/x"),
        pytest.param("export", ["run", "/proc/x.safetensors"], "cannot write /proc/x", marks=needs_proc),
        pytest.param("compare", ["run", "--out", "/proc/x"], "cannot write into /proc/x", marks=needs_proc),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    command: str, words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*arguments: object, **more: object) -> None:
        raise AssertionError("worked before looking")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(driver, "load_driver", work)
    with pytest.raises(SystemExit, match=f"^btr_tm: {sentence}"):
        import_module(f"btr_tm.cli.commands.{command}").main(words)
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


@needs_proc
@pytest.mark.parametrize("place", ["/proc/x", "file/runs", "x" * 300])
def test_a_runs_folder_that_cannot_be_made_is_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    words = ["-m", f"runs_dir={place}", "seed=0,1", "profile=smoke", "encoder=none", "logger=none"]
    with pytest.raises(UserError, match="cannot write into .*; name another folder"):
        train.check(train.parser().parse_args(words))
    assert os.listdir() == ["file"]


def test_what_is_there_already_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "driver").write_text("kept")
    refuse_unwritable_file(tmp_path / "driver")
    refuse_unwritable_folder(tmp_path / "new" / "folder")
    assert (tmp_path / "driver").read_text() == "kept" and len(list(tmp_path.iterdir())) == 1


def test_half_a_film_does_not_stay(tmp_path: Path) -> None:
    import numpy as np

    def pictures():
        yield np.zeros((16, 16, 3), np.uint8)
        raise KeyboardInterrupt

    for name in ("film.mp4", "film.gif"):
        with pytest.raises(KeyboardInterrupt):
            write_film(tmp_path / name, pictures(), fps=20)
    assert not list(tmp_path.iterdir())
