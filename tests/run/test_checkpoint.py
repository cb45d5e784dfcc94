"""Checkpoints: atomic, complete, two kept, and what happens to bad ones."""

from __future__ import annotations

import errno
import os
import random

import pytest
import torch
from torch.utils._pytree import tree_leaves

from btr_tm.core.errors import DamagedFile, UserError
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.run import checkpoint, checkpoint_file
from btr_tm.run.checkpoint_file import read

from .conftest import build_run


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


def test_an_older_checkpoint_that_cannot_be_read_now_stops_no_run(tmp_path, build, capsys, monkeypatch):
    build(tmp_path).train()
    run = build(tmp_path, total=2400)
    newest, older = run.checkpoint.files()

    def in_use(path):
        if path == older:
            raise UserError(f"cannot read {path} (in use)")
        return read(path)

    monkeypatch.setattr(checkpoint, "read", in_use)
    run.train()
    assert run.clock.frames == 2400 and "(in use)); the next save tries again" in capsys.readouterr().out


def test_a_checkpoint_of_another_kind_of_device_is_refused_by_name(tmp_path, build):
    build(tmp_path).train()
    run = build(tmp_path)
    run.checkpoint.device = "cuda"
    with pytest.raises(
        UserError, match="saved with device=cpu, and device=cuda .* begin another run with init_from="
    ):
        run.checkpoint.load_newest()


def test_files_below_the_folder_of_the_replay_count_as_its_own(tmp_path, build):
    run = build(tmp_path)
    run.checkpoint.prepare()
    run.collector.collect(run.learner.policy)

    def save(folder):
        (folder / "own").mkdir(exist_ok=True)
        (folder / "own" / "000001.bin").write_bytes(bytes(10**6))
        return {}

    run.replay.save = save
    assert 10**6 < run.checkpoint._write() < 2 * 10**6


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


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The bytes of a checkpoint of a finished run, and where they may be written."""
    run = build_run(tmp_path_factory.mktemp("run"))
    run.train()
    return run.checkpoint.files()[0].read_bytes(), run.folder / "one.pt"


@pytest.mark.parametrize("seed", range(300))
def test_a_bit_that_changed_is_noticed_or_changes_nothing(written, seed):
    whole, path = written
    damaged, bit = bytearray(whole), random.Random(seed).randrange(8 * len(whole))
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    content = read(path)
    if content is not None:
        path.write_bytes(whole)
        pairs = zip(tree_leaves(content), tree_leaves(read(path)), strict=True)
        assert all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def test_the_whole_checkpoint_before_a_changed_bit_is_used_and_the_damaged_one_named(tmp_path, build):
    build(tmp_path).train()
    run = build(tmp_path, total=2400)
    newest, _ = run.checkpoint.files()
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    said = lines_of(run)
    assert run.checkpoint.load_newest() and run.clock.frames == 1600
    assert newest.name in said[0] and newest.with_suffix(".damaged").exists()


def small_disk(monkeypatch, folder, room):
    """Nothing may make the files of `folder` more than `room` bytes."""
    real = checkpoint.write_atomic

    def write(path, payload):
        if used_bytes(folder) + len(payload) > room:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, payload)

    monkeypatch.setattr(checkpoint, "write_atomic", write)


def used_bytes(folder):
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def test_a_disk_that_others_fill_leaves_the_room_kept_for_the_last_checkpoint(tmp_path, build, monkeypatch):
    run = build(tmp_path)
    save, sizes = run.checkpoint.save, []

    def save_and_fill():
        saved = save()
        if not sizes:
            sizes.append(used_bytes(tmp_path))
            small_disk(monkeypatch, tmp_path, sizes[0])  # others have taken what was free
        return saved

    run.checkpoint.save = save_and_fill
    said = lines_of(run)
    run.train()
    assert "No space left" in said[0]
    again = build(tmp_path)
    assert again.checkpoint.load_newest() and again.clock.frames == 2000
    assert not list(tmp_path.rglob("reserve"))


def test_a_last_checkpoint_that_cannot_be_written_is_an_error_that_says_what_is_kept(
    tmp_path, build, monkeypatch
):
    run = build(tmp_path)
    real = os.fsync

    def full(descriptor):
        if run.clock.frames >= 1200:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        UserError, match=r"ended at 2,000 frames, but .* newest checkpoint is frames_000000000800"
    ):
        run.train()
    assert not run.finished
    monkeypatch.undo()
    segments = len(list(run.checkpoint.replay_folder.iterdir()))
    assert segments == len(run.checkpoint.files()), "half-written files of the replay stay"
    again = build(tmp_path)
    again.train()
    assert again.finished and [row["frames"] for row in read_record(again.record.path)][-1] == 2000


def test_a_stop_whose_checkpoint_cannot_be_written_is_an_error(tmp_path, build, monkeypatch):
    run = build(tmp_path)
    monkeypatch.setattr(run.checkpoint, "_write", lambda: (_ for _ in ()).throw(OSError("disk on fire")))
    run._stopping = True
    with pytest.raises(UserError, match="disk on fire.*no checkpoint exists yet"):
        run.train()


@pytest.mark.parametrize("place", ["checkpoints", "checkpoints/replay", "checkpoints/reserve"])
def test_a_folder_that_takes_no_checkpoints_is_refused_before_the_first_frame(tmp_path, build, place):
    run = build(tmp_path)
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if place.endswith("reserve") else path.write_text("a file")
    with pytest.raises(UserError, match="cannot write checkpoints into .*; mend that"):
        run.train()
    assert run.clock.frames == 0


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path, build):
    build(tmp_path, total=800).train()
    left = [tmp_path / "checkpoints" / "frames_000000001000.pt.tmp",
            tmp_path / "checkpoints" / "replay" / "segment_999999.pt"]  # fmt: skip
    for path in left:
        path.write_bytes(b"half")
    run = build(tmp_path, total=1600)
    run.train()
    assert run.clock.frames == 1600 and not any(path.exists() for path in left)


def test_a_start_without_a_checkpoint_begins_the_record_again(tmp_path, build):
    whole = build(tmp_path / "whole")
    whole.train()
    for _ in range(2):  # killed twice before the first checkpoint
        run = build(tmp_path / "killed", save_every=10**9)
        monkey = run.collector.collect
        run.collector.collect = lambda policy, run=run, drive=monkey: dies(run) or drive(policy)
        with pytest.raises(KeyboardInterrupt):
            run.train()
        assert read_record(run.record.path)
    run = build(tmp_path / "killed")
    run.train()
    frames = [row["frames"] for row in read_record(run.record.path)]
    assert frames == [row["frames"] for row in read_record(whole.record.path)]


def dies(run):
    if run.clock.frames >= 600:
        raise KeyboardInterrupt
