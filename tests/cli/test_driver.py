"""What evaluate, watch and export say about files that hold no driver, and what they make of damaged runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from btr_tm.cli.assembly.assemble import build
from btr_tm.cli.assembly.driver import load_driver, read_driver
from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError
from btr_tm.run.checkpoint_file import packed

PARTS = {"learner": {"online": {"weight": torch.zeros(2)}}}


def write_run(folder: Path, *frames: int) -> list[Path]:
    """A run folder with a checkpoint per number of frames, oldest first."""
    paths = [folder / "checkpoints" / f"frames_{count:012d}.pt" for count in frames]
    paths[0].parent.mkdir(parents=True)
    for path, count in zip(paths, frames, strict=True):
        path.write_bytes(packed({"frames": count, "parts": PARTS, "replay": {}, "random": {}}))
    write_manifest(folder, {"seed": 7})
    return paths


def write_manifest(folder: Path, config: dict[str, Any]) -> None:
    held = {"run_id": "1", "seed": 0, "config": config, "sessions": []}
    (folder / "manifest.json").write_text(json.dumps(held), encoding="utf-8")


def test_the_driver_that_ships_loads() -> None:
    assert load_driver(None, "cpu").frames > 0


def test_a_run_folder_gives_its_newest_readable_checkpoint(tmp_path: Path) -> None:
    _, newest = write_run(tmp_path, 100, 200)
    assert read_driver(tmp_path).frames == 200 and read_driver(tmp_path).config == {"seed": 7}
    newest.write_bytes(newest.read_bytes()[:-100])
    assert read_driver(tmp_path).frames == 100
    with pytest.raises(UserError, match="frames_000000000200.pt is damaged; name the checkpoint before it"):
        read_driver(newest)


def test_files_that_hold_no_driver_are_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    (tmp_path / "text.safetensors").write_text("hello")
    for name, sentence in (
        ("text.pt", "damaged"),
        ("other.pt", "other.pt is not a 'btr_tm checkpoint 2' file, its format is none"),
        ("text.safetensors", "is no policy file"),
        ("absent.pt", "does not exist"),
        (".", "holds no checkpoints"),
    ):
        with pytest.raises(UserError, match=sentence) as caught:
            read_driver(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_checkpoint_without_its_run_folder_is_refused(tmp_path: Path) -> None:
    (path,) = write_run(tmp_path / "run", 100)
    lonely = path.rename(tmp_path / path.name)
    with pytest.raises(UserError, match="leave checkpoints in their run folder"):
        read_driver(lonely)


def test_weights_of_another_network_name_the_part(tmp_path: Path) -> None:
    write_run(tmp_path, 100)
    config = compose_job(["profile=smoke", "encoder=none"]).values
    write_manifest(tmp_path, config)
    with pytest.raises(UserError, match="the part 'network' of .* does not fit this run"):
        load_driver(str(tmp_path), "cpu")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("blocks: [start, looping, finish]", r"mine.yaml: block 2 \(looping\)"),
        ("blocks: [", "mine.yaml is no valid YAML"),
        (None, "mine.npy: point 7 is not finite"),
    ],
)
def test_a_broken_track_ends_before_a_folder_is_claimed(
    tmp_path: Path, content: str | None, sentence: str
) -> None:
    path = tmp_path / ("mine.npy" if content is None else "mine.yaml")
    if content is None:
        points = np.zeros((400, 3))
        points[:, 2], points[7, 1] = 0.5 * np.arange(400), np.nan
        np.save(path, points)
    else:
        path.write_text(content, encoding="utf-8")
    job = compose_job(["profile=smoke", f"track.name_or_path='{path.as_posix()}'", f"runs_dir={tmp_path}/r"])
    with pytest.raises(UserError, match=sentence) as caught:
        build(job)
    assert "\n" not in str(caught.value) and not job.folder.exists()


def test_a_network_that_cannot_be_built_leaves_no_claimed_folder(tmp_path: Path) -> None:
    small = ["profile=smoke", "encoder=cnn", "profile.image_height=20"]
    job = compose_job([*small, f"runs_dir={tmp_path}/r"])
    with pytest.raises(UserError, match="images must have at least 36 x 36 pixels"):
        build(job)
    assert not job.folder.exists()


@pytest.mark.parametrize("choice", ["target=ddqn", "encoder=impala_sn", "head=ln", "encoder=none"])
@pytest.mark.parametrize("experiment", ["quickstart", "a01_v4_btr"])
def test_leave_one_out_command_lines_pass_every_check(experiment: str, choice: str) -> None:
    Parts(checked(compose_job([f"+experiment={experiment}", choice]).values), torch.device("cpu"))
