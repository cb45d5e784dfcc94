"""A replay beside which demonstrations are kept: what a disk that is full leaves of it."""

from __future__ import annotations

import errno

import pytest

from btr_tm.replay.with_demonstrations import WithDemonstrations


class Kept:
    """Writes a file, or finds no room for it."""

    def __init__(self, room: bool = True) -> None:
        self.room = room

    def save(self, folder):
        if not self.room:
            raise OSError(errno.ENOSPC, "no room")
        self.path = folder / "000001.bin"
        self.path.write_bytes(b"data")
        return {"file": self.path.name}

    def undo_save(self) -> None:
        self.path.unlink()


def test_both_are_saved_or_neither(tmp_path) -> None:
    replay = WithDemonstrations(Kept(), Kept(room=False), 0.5)
    with pytest.raises(OSError, match="no room"):
        replay.save(tmp_path)
    assert not list(tmp_path.rglob("*.bin"))
    replay.demos.room = True
    assert replay.save(tmp_path).keys() == {"own", "demos"}
    assert len(list(tmp_path.rglob("*.bin"))) == 2
    replay.undo_save()
    assert not list(tmp_path.rglob("*.bin"))
