"""Saving: only what is new, bit-exact restore through wrap-around, and broken files named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.core.tree import flatten
from btr_tm.replay import columns_file
from btr_tm.replay.sampler.uniform import Uniform

from .helpers import PRIORITIZED, drive
from .helpers import build_replay as replay


def step(buffer, transition, generator) -> None:
    """One turn of the loop: drive, learn."""
    buffer.add(transition)
    index = buffer.sample(8).index
    buffer.update_priorities(index, torch.rand(8, generator=generator))


def assert_same_future(one, other, seed: int = 9) -> None:
    for buffer in (one, other):
        buffer.future = []
        generator = torch.Generator().manual_seed(seed)
        for t in drive(30, 3, generator):
            step(buffer, t, generator)
            buffer.future.append(buffer.sample(32))
    for a, b in zip(one.future, other.future, strict=True):
        for x, y in zip(flatten(a), flatten(b), strict=True):
            assert torch.equal(x, y)


@pytest.mark.parametrize("sampler", [Uniform, PRIORITIZED])
@pytest.mark.parametrize("between_saves", [1, 4, 11, 100])
def test_restored_buffer_behaves_like_the_saved_one(tmp_path: Path, sampler, between_saves: int) -> None:
    """Ring of 14 slots per car, 60 decisions, saved every few; then once more from the restored one."""
    saved = replay(sampler=sampler)
    generator = torch.Generator().manual_seed(between_saves)
    manifests = []
    for i, t in enumerate(drive(60, 3, generator)):
        step(saved, t, generator)
        if i % between_saves == 0:
            manifests = [*manifests[-1:], saved.save(tmp_path)]
            saved.prune(tmp_path, manifests)
    manifest = json.loads(json.dumps(saved.save(tmp_path)))  # plain values
    restored = replay(sampler=sampler, seed=77)
    restored.load(tmp_path, manifest)
    assert len(saved) == len(restored)
    assert_same_future(saved, restored)
    again = replay(sampler=sampler, seed=78)
    again.load(tmp_path, restored.save(tmp_path))
    assert_same_future(saved, again, seed=10)


def test_a_save_writes_only_what_is_new(tmp_path: Path) -> None:
    buffer = replay(capacity=3000)
    transitions = drive(500, 3, torch.Generator().manual_seed(0), 0, 0)
    for _ in range(400):
        buffer.add(next(transitions))
    buffer.save(tmp_path)
    for _ in range(10):
        buffer.add(next(transitions))
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    manifest = buffer.save(tmp_path)
    assert [s["rows"] for s in manifest["segments"]] == [3 * 401, 3 * 11]
    assert all((tmp_path / name).stat().st_mtime_ns == time for name, time in before.items())


def test_a_save_without_anything_new_writes_no_rows(tmp_path: Path) -> None:
    buffer = replay()
    for t in drive(20, 3, torch.Generator().manual_seed(0)):
        buffer.add(t)
    manifests = [buffer.save(tmp_path) for _ in range(3)]
    assert len(list(tmp_path.glob("*.rows"))) == 1
    assert manifests[0]["segments"] == manifests[2]["segments"]


def test_disk_use_is_bounded(tmp_path: Path) -> None:
    buffer = replay()
    manifests = []
    for t in drive(300, 3, torch.Generator().manual_seed(0)):
        buffer.add(t)
        manifests = [*manifests[-1:], buffer.save(tmp_path)]
        buffer.prune(tmp_path, manifests)
        assert len(list(tmp_path.iterdir())) <= buffer.ring.slots_per_car + 1 + 2


def test_the_older_of_two_manifests_still_loads_and_goes_on(tmp_path: Path) -> None:
    """The newest checkpoint was lost: we resume from the older one, whose next save must not clash."""
    buffer, reference = replay(), replay()
    transitions = list(drive(40, 3, torch.Generator().manual_seed(0)))
    for t in transitions[:20]:
        buffer.add(t)
        reference.add(t)
    older = buffer.save(tmp_path)
    for t in transitions[20:]:
        buffer.add(t)
    newer = buffer.save(tmp_path)
    buffer.prune(tmp_path, [older, newer])
    resumed = replay()
    resumed.load(tmp_path, older)
    third = resumed.save(tmp_path)
    assert third["state"] not in (older["state"], newer["state"])
    assert_same_future(reference, resumed)


def test_another_folder_gets_everything(tmp_path: Path) -> None:
    buffer = replay()
    for t in drive(20, 3, torch.Generator().manual_seed(0)):
        buffer.add(t)
    buffer.save(tmp_path / "a")
    manifest = buffer.save(tmp_path / "b")
    restored = replay(seed=3)
    restored.load(tmp_path / "b", manifest)
    assert_same_future(buffer, restored)


def test_a_disk_that_fills_up_between_two_files_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = replay()
    for t in drive(20, 3, torch.Generator().manual_seed(0)):
        buffer.add(t)
    write = columns_file.write

    def full_for_states(path: Path, columns: Any) -> int:
        if path.suffix == ".state":
            raise OSError(28, "No space left on device")
        return write(path, columns)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(columns_file, "write", full_for_states)
        buffer.save(tmp_path)
    assert not list(tmp_path.iterdir())
    manifest = buffer.save(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(columns_file, "write", full_for_states)
        buffer.save(tmp_path)  # without new rows
    restored = replay()
    restored.load(tmp_path, manifest)
    assert_same_future(buffer, restored)


@pytest.mark.parametrize("kind", ["rows", "state"])
@pytest.mark.parametrize("harm", ["truncated", "missing", "one bit"])
def test_a_broken_file_is_named_and_nothing_is_changed(tmp_path: Path, kind: str, harm: str) -> None:
    buffer = replay()
    for t in drive(20, 3, torch.Generator().manual_seed(0)):
        buffer.add(t)
    manifest = buffer.save(tmp_path)
    path = next(tmp_path.glob(f"*.{kind}"))
    content = path.read_bytes()
    path.unlink()
    if harm == "truncated":
        path.write_bytes(content[:-64])
    elif harm == "one bit":
        path.write_bytes(content[:100] + bytes([content[100] ^ 4]) + content[101:])
    fresh = replay()
    with pytest.raises(UserError, match=path.name):
        fresh.load(tmp_path, manifest)
    assert len(fresh) == 0 and not fresh.ring.rows["start"].any()


def test_another_geometry_is_refused_by_name(tmp_path: Path) -> None:
    buffer = replay()
    buffer.add(next(drive(1, 3, torch.Generator())))
    with pytest.raises(UserError, match="slots_per_car 15, but this run has 28"):
        replay(capacity=80).load(tmp_path, buffer.save(tmp_path))
    with pytest.raises(UserError, match="the saved replay has sampler "):
        replay(sampler=PRIORITIZED).load(tmp_path, buffer.save(tmp_path))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cars", {"cars": 2, "capacity": 27}),
        ("image_shape", {"image_shape": (1, 8, 8)}),
        ("floats", {"floats": 7}),
        ("action_shape", {"block": (2,)}),
    ],
)
def test_every_measure_that_differs_is_named(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    buffer = replay()
    buffer.add(next(drive(1, 3, torch.Generator())))
    manifest = buffer.save(tmp_path)
    other = replay(**options)
    manifest["geometry"]["slots_per_car"] = other.ring.slots_per_car
    with pytest.raises(UserError, match=f"the saved replay has {name} .*, but this run has"):
        other.load(tmp_path, manifest)


def test_a_full_disk_leaves_the_earlier_save_intact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = replay()
    transitions = list(drive(30, 3, torch.Generator().manual_seed(0)))
    for t in transitions[:20]:
        buffer.add(t)
    first = buffer.save(tmp_path)
    files = sorted(tmp_path.iterdir())
    for t in transitions[20:]:
        buffer.add(t)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(columns_file.os, "fsync", full)
        buffer.save(tmp_path)
    assert sorted(tmp_path.iterdir()) == files
    replay().load(tmp_path, first)
    restored = replay()
    restored.load(tmp_path, buffer.save(tmp_path))
    assert_same_future(buffer, restored)


def test_a_replay_of_another_format_is_refused_in_a_sentence(tmp_path: Path) -> None:
    buffer = replay()
    buffer.add(next(drive(1, 3, torch.Generator())))
    manifest = buffer.save(tmp_path) | {"format": 99}
    with pytest.raises(UserError, match="has format 99 instead of 4"):
        buffer.load(tmp_path, manifest)


def test_a_restored_replay_saves_only_what_is_new_into_a_folder_of_any_depth(tmp_path: Path) -> None:
    folder, saved, restored = tmp_path / "runs" / "of" / "today", replay(3000), replay(3000)
    transitions = drive(60, 3, torch.Generator().manual_seed(0), 0, 0)
    for _ in range(50):
        saved.add(next(transitions))
    manifest = saved.save(folder)
    restored.load(folder, manifest)
    for t in transitions:
        restored.add(t)
    later = restored.save(folder)
    assert later["segments"][:1] == manifest["segments"]
    assert [segment["rows"] for segment in later["segments"]] == [3 * 51, 3 * 11]


@pytest.mark.parametrize("earlier", [0, 12, 30])
def test_an_undone_save_leaves_no_files_and_the_next_one_holds_its_rows(tmp_path: Path, earlier: int) -> None:
    buffer = replay(capacity=3000)
    transitions = drive(30, 3, torch.Generator().manual_seed(0))
    for _ in range(earlier):
        buffer.add(next(transitions))
    if earlier:
        buffer.save(tmp_path)
    files = sorted(tmp_path.iterdir())
    for t in transitions:
        buffer.add(t)
    undone = buffer.save(tmp_path)
    buffer.undo_save()
    assert sorted(tmp_path.iterdir()) == files
    manifest = buffer.save(tmp_path)
    assert [s["rows"] for s in manifest["segments"]] == [s["rows"] for s in undone["segments"]]
    restored = replay(capacity=3000)
    restored.load(tmp_path, manifest)
    assert_same_future(buffer, restored)


def test_nothing_is_undone_before_the_first_save(tmp_path: Path) -> None:
    buffer = replay()
    buffer.undo_save()
    buffer.add(next(drive(1, 3, torch.Generator())))
    restored = replay()
    restored.load(tmp_path, buffer.save(tmp_path))
    assert_same_future(buffer, restored)
