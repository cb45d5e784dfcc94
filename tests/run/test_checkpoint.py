"""Checkpoints: atomic, complete, two kept, and what happens to bad ones."""

from __future__ import annotations

import errno
import os

import pytest
import torch

from btr_tm.core.errors import DamagedFile, UserError
from btr_tm.run import checkpoint_file


def lines_of(run):
    said = []
    run.checkpoint.say = said.append
    return said


def test_the_two_newest_are_kept_and_their_segments_with_them(tmp_path, build):
    run = build(tmp_path)
    run.train()
    assert [path.name for path in run.checkpoint.files()] == [
        "frames_000000002000.pt",
        "frames_000000001600.pt",
    ]
    assert len(list(run.checkpoint.replay_folder.glob("segment_*"))) == 2
    assert not list(tmp_path.rglob("*.tmp"))


def test_truncated_newest_falls_back_to_the_one_before_and_says_so(tmp_path, build):
    build(tmp_path).train()
    run = build(tmp_path, total=2400)
    newest, previous = run.checkpoint.files()
    newest.write_bytes(newest.read_bytes()[:-200])
    said = lines_of(run)
    assert run.checkpoint.load_newest() and run.clock.frames == 1600
    assert "damaged" in said[0] and newest.name in said[0]
    run.train()
    assert run.clock.frames == 2400 and previous not in run.checkpoint.files()


def test_damaged_replay_file_falls_back_to_the_checkpoint_before(tmp_path, build):
    build(tmp_path).train()
    run = build(tmp_path)
    newest, previous = run.checkpoint.files()
    load, said = run.replay.load, lines_of(run)

    def load_or_refuse(folder, manifest):
        if manifest["segment"] == sorted(path.name for path in folder.glob("segment_*"))[-1]:
            raise DamagedFile("expected 9 bytes in the replay file, got 5")
        load(folder, manifest)

    run.replay.load = load_or_refuse
    assert run.checkpoint.load_newest() and run.clock.frames == 1600
    assert newest.name in said[0] and run.checkpoint.files() == [previous]


def test_old_files_that_cannot_be_removed_do_not_stop_training(tmp_path, build, capsys, monkeypatch):
    run = build(tmp_path)

    def refuse(*_):
        raise PermissionError("another program reads it")

    monkeypatch.setattr(run.replay, "prune", refuse)
    run.train()
    assert run.clock.frames == 2000 and "another program reads it" in capsys.readouterr().out


def test_nothing_but_damaged_checkpoints_is_an_error_not_a_fresh_start(tmp_path, build):
    build(tmp_path).train()
    run = build(tmp_path)
    for path in run.checkpoint.files():
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"every checkpoint in .* is damaged \(2 of them\)"):
        run.checkpoint.load_newest()


@pytest.mark.parametrize("content", [{"state_dict": 1}, [1, 2], {"format": "other"}])
def test_foreign_file_is_named(tmp_path, build, content):
    run = build(tmp_path)
    run.checkpoint.folder.mkdir()
    path = run.checkpoint.folder / "frames_000000000001.pt"
    torch.save(content, path)
    with pytest.raises(UserError, match="frames_000000000001.pt.*btr_tm checkpoint"):
        run.checkpoint.load_newest()


class Evil:
    def __reduce__(self):
        return os.system, ("exit 1",)


def test_file_that_would_run_code_is_refused(tmp_path, build):
    run = build(tmp_path)
    run.checkpoint.folder.mkdir()
    torch.save(
        {"format": checkpoint_file.FORMAT, "x": Evil()}, run.checkpoint.folder / "frames_000000000001.pt"
    )
    with pytest.raises(UserError, match="objects other than tensors"):
        run.checkpoint.load_newest()


def test_mismatching_part_is_named(tmp_path, build):
    build(tmp_path).train()
    run = build(tmp_path)
    run.learner.weight = torch.nn.Parameter(torch.zeros(3))
    run.learner.load_state_dict = lambda state: torch.nn.Linear(3, 3).load_state_dict(
        {"weight": state["weight"]}
    )
    with pytest.raises(UserError, match="part 'learner'"):
        run.checkpoint.load_newest()


def test_checkpoint_of_another_kind_of_run_is_refused(tmp_path, build):
    build(tmp_path).train()
    run = build(tmp_path)
    run.checkpoint.parts["teacher"] = run.clock
    with pytest.raises(UserError, match="teacher"):
        run.checkpoint.load_newest()


def test_full_disk_while_saving_keeps_the_old_checkpoint_and_training_goes_on(
    tmp_path, build, monkeypatch, capsys
):
    run = build(tmp_path)
    real = os.fsync

    def full(descriptor):
        if 800 <= run.clock.frames < 1600:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    kept_during = []
    save = run.checkpoint.save
    run.checkpoint.save = lambda: (save(), kept_during.append([p.name for p in run.checkpoint.files()]))[0]
    run.train()
    assert run.clock.frames == 2000
    assert kept_during[1] == kept_during[2] == ["frames_000000000400.pt"]
    assert "No space left" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.tmp"))
    assert build(tmp_path).checkpoint.load_newest()
