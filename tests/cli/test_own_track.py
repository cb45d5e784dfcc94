"""A run on the user's own track keeps it: what is moved goes on working, and a changed file is noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from btr_tm.cli.assembly.assemble import build
from btr_tm.cli.assembly.driver import export, load_driver
from btr_tm.cli.commands import evaluate, film, watch
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError
from btr_tm.race.inputs_file import InputsFile
from btr_tm.report.redrive import inputs_of, redrive
from btr_tm.run import policy_file
from btr_tm.sim.track.generator import random_track
from btr_tm.sim.track.load import load_track
from btr_tm.sim.track.source import from_json

TINY = ("profile=smoke", "logger=none", "encoder=none", "profile.total_frames=256",
        "profile.warmup_frames=64", "profile.eval_every=0", "profile.save_every=0",
        "profile.start_pool=8", "profile.race_ms=2000", "profile.eval_starts=1")  # fmt: skip
BLOCKS = "- start\n- straight: {length: 3, width: 20}\n- finish\n- straight: {length: 4}\n"


def write_line(path: Path, bend: float = 0.0) -> Path:
    along = 0.5 * np.arange(300)
    np.save(path, np.stack((bend * along**2, 0 * along, along), axis=1))
    return path


def write_blocks(path: Path) -> Path:
    path.write_text(BLOCKS)
    path.with_name("mine.author.inputs").write_text("# time_ms: 8000\n0-8.00 press up\n")
    return path


@pytest.fixture(scope="module", params=["line", "blocks"])
def moved(request, tmp_path_factory) -> Path:
    """A folder `moved` with the run, whose track is nowhere else any more."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "line":
        own = [f"track.name_or_path={write_line(folder / 'mine.npy')}", "+track.half_width_m=9.5"]
    else:
        own = [f"track.name_or_path={write_blocks(folder / 'mine.yaml')}"]
    job = compose_job([*TINY, "track=line", *own, f"runs_dir={folder / 'runs'}"])
    run = build(job)
    run.train()
    shutil.move(job.folder, folder / "moved")
    for path in folder.glob("mine.*"):
        path.unlink()
    return folder / "moved"


@pytest.fixture
def filmed(monkeypatch: pytest.MonkeyPatch) -> list:
    tracks: list = []
    monkeypatch.setattr(film, "film_racers", lambda track, *_, **__: tracks.append(track) or Path("x"))
    return tracks


def expected(moved: Path) -> tuple[str, float, int | None]:
    """Name, half width and author time of the track that the run drove on."""
    return ("mine", 9.5, None) if "line" in moved.parent.name else ("mine", 10.0, 8000)


def seen(track) -> tuple[str, float, int | None]:
    return track.name, round(float(track.ribbon.half_width_m[100]), 3), track.author_time_ms


def test_a_moved_run_its_checkpoint_and_its_exported_driver_know_their_track(moved, tmp_path):
    checkpoint = next((moved / "checkpoints").glob("*.pt"))
    for where in (moved, checkpoint):
        assert seen(load_driver(str(where), "cpu").parts.track) == expected(moved)
    export(load_driver(str(moved), "cpu"), tmp_path / "driver.safetensors")
    driver = load_driver(str(tmp_path / "driver.safetensors"), "cpu")
    assert seen(driver.parts.track) == expected(moved)
    assert driver.parts.races(1).drive(driver.policy, 0).canonical.time_ms > 0
    export(driver, tmp_path / "again.safetensors")
    assert seen(load_driver(str(tmp_path / "again.safetensors"), "cpu").parts.track) == expected(moved)
    assert load_driver(str(tmp_path / "driver.safetensors"), "cpu", track="oval").parts.track.name == "oval"


def test_the_best_race_is_watched_wherever_its_folder_is_moved(moved, filmed, tmp_path):
    shutil.copytree(moved / "best", tmp_path / "sent")
    watch.main([str(tmp_path / "sent" / "race.inputs")])
    assert [seen(track) for track in filmed] == [expected(moved)]


def test_the_evaluations_of_a_run_can_be_filmed_one_after_the_other(moved):
    scenes = film.learning_scenes(moved, load_driver(str(moved), "cpu"))
    names = [scene.racers[0].name for scene in scenes]
    assert len(names) == len(set(names)) >= 1 and all(name.startswith("after ") for name in names)
    assert all(scene.racers[0].race.time_ms > 0 for scene in scenes)


def test_the_summary_names_files_within_the_folder(moved):
    summary = json.loads((moved / "summary.json").read_text())
    files = {name: value for name, value in summary.items() if isinstance(value, str)}
    assert files.pop("best_race_from").startswith(("evaluation at ", "training at "))
    assert files == {"curve": "curve.png", "race_line": "best/race.png", "inputs": "best/race.inputs",
                     "film": "best/race.mp4"}  # fmt: skip
    assert all((moved / path).is_file() for path in files.values())


def test_a_track_that_changed_since_the_run_began_is_refused(tmp_path):
    line = write_line(tmp_path / "mine.npy")
    typed = [*TINY, "track=line", f"track.name_or_path={line}", f"runs_dir={tmp_path}"]
    job = compose_job(typed)
    build(job).close()
    build(compose_job(typed)).close()
    sessions = len(json.loads((job.folder / "manifest.json").read_text())["sessions"])
    write_line(line, bend=1e-3)
    with pytest.raises(UserError, match=r"mine.npy has changed since the run began.*keeps it in .*/track;"):
        build(compose_job(typed))
    assert len(json.loads((job.folder / "manifest.json").read_text())["sessions"]) == sessions
    build(compose_job([*typed, "on_existing=overwrite"])).close()
    assert (job.folder / "track" / "mine.npy").read_bytes() == line.read_bytes()


def test_a_random_track_lies_beside_what_was_driven_on_it(tmp_path, filmed):
    track = random_track(5, length_m=300)
    race = redrive(track, torch.zeros(50, dtype=torch.int64))
    inputs_of(track, race).write(tmp_path / "race.inputs")
    track.source.write(tmp_path)
    watch.main([str(tmp_path / "race.inputs")])
    assert torch.equal(filmed[0].ribbon.centre, track.ribbon.centre)


def test_shipped_tracks_are_known_by_name(tmp_path, filmed):
    assert load_track("oval").source is None
    (tmp_path / "race.inputs").write_text("# track: oval\n0-0.05 press up\n")
    watch.main([str(tmp_path / "race.inputs")])
    assert filmed[0].name == "oval"


@pytest.mark.parametrize("name", ["mine", "../mine", "*", "/etc/hostname", "a\0b"])
def test_a_track_that_is_not_there_is_named(tmp_path, name):
    (tmp_path / "race.inputs").write_text(f"# track: {name}\n0-0.05 press up\n")
    (tmp_path / "other.yaml").write_text(BLOCKS)
    write_blocks(tmp_path.parent / "mine.yaml")
    with pytest.raises(UserError, match="neither ships nor lies beside it; add --track"):
        watch.track_of(InputsFile.read(tmp_path / "race.inputs"), tmp_path / "race.inputs", None)


@pytest.mark.parametrize("damage", [{"content": "?"}, {"suffix": ".py"}, {"name": "../x"}, {"name": 3}])
def test_a_damaged_track_in_a_policy_file_is_one_sentence(damage, tmp_path):
    held = load_track(write_blocks(tmp_path / "mine.yaml")).source.as_json()
    assert from_json(held, "x").content == BLOCKS.encode()
    with pytest.raises(UserError, match="the track in x is damaged; name another one with --track"):
        from_json(held | damage, "x")


def test_a_policy_file_is_checked_with_its_track(tmp_path):
    path = tmp_path / "a.safetensors"
    track = load_track(write_blocks(tmp_path / "mine.yaml")).source.as_json()
    policy_file.save(path, policy_file.PolicyFile({"w": torch.zeros(2)}, {}, 3, track))
    assert policy_file.load(path).track == track
    path.write_bytes(path.read_bytes().replace(b'\\"suffix\\": \\".yaml\\"', b'\\"suffix\\": \\".yaMl\\"'))
    with pytest.raises(UserError, match="damaged"):
        policy_file.load(path)


def test_a_drivers_race_is_compared_with_the_authors_on_its_own_track(moved, capsys):
    if "line" in moved.parent.name:
        with pytest.raises(SystemExit, match="the track mine has no author's race to compare with"):
            evaluate.main([str(moved), "--races", "1", "--sections"])
        return
    evaluate.main([str(moved), "--races", "1", "--sections"])
    shown = capsys.readouterr().out
    assert "canonical" in shown and "| 0-" in shown and "is compared as far as it came" in shown
