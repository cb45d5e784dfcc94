"""Ghosts are moved away and always come back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from btr_tm.cli.commands.game import main
from btr_tm.core.errors import UserError
from btr_tm.game import ghosts
from btr_tm.game.ghosts import Ghosts
from btr_tm.game.processes import Process, own_process

GONE = Process(own_process().pid, 1.0, "")  # the same number, another program


def replay(uid: str) -> bytes:
    return b"GBX\x06\x00BUCR" + f'<header type="replay"><map uid="{uid}" name="x"/>'.encode() + b"\x00race"


@pytest.fixture
def autosaves(tmp_path: Path) -> Path:
    folder = tmp_path / "TMInterface"
    folder.mkdir()
    folder = tmp_path / "TmForever" / "Tracks" / "Replays" / "Autosaves"
    folder.mkdir(parents=True)
    (folder / "me_A01.Replay.gbx").write_bytes(replay("A01"))
    (folder / "me_A02.Replay.Gbx").write_bytes(replay("A02"))
    return folder


@pytest.fixture
def a01(tmp_path: Path) -> Path:
    path = tmp_path / "A01-Race.Challenge.Gbx"
    path.write_bytes(b'GBX\x06\x00BUCR<header type="challenge"><ident uid="A01" name="A01-Race"/>')
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_races_on_the_map_are_moved_and_put_back(autosaves: Path, a01: Path) -> None:
    before = {path.name: path.read_bytes() for path in autosaves.iterdir()}
    mine = Ghosts(autosaves)
    assert mine.move_away(a01) == ["me_A01.Replay.gbx"]
    assert names(autosaves) == ["me_A02.Replay.Gbx"]
    assert mine.put_back() == ["me_A01.Replay.gbx"]
    assert {path.name: path.read_bytes() for path in autosaves.iterdir()} == before
    assert set(names(autosaves.parent)) <= {"Autosaves", "btr_tm_ghosts.lock"}


def test_they_stay_away_as_long_as_one_game_needs_it(autosaves: Path, a01: Path) -> None:
    one, other = Ghosts(autosaves), Ghosts(autosaves, Process(os.getppid(), _started(os.getppid()), ""))
    second = Ghosts(autosaves)  # of the same program
    for each in (one, one, other, second):
        each.move_away(a01)
    assert second.put_back() == [] and one.put_back() == [] and one.recover() == []
    assert other.put_back() == ["me_A01.Replay.gbx"]


def _started(pid: int) -> float:
    import psutil

    return psutil.Process(pid).create_time()


def test_what_the_game_saved_meanwhile_is_kept_apart(autosaves: Path, a01: Path) -> None:
    mine = Ghosts(autosaves)
    for number, driven in enumerate((b"first", b"second")):
        mine.move_away(a01)
        (autosaves / "me_A01.Replay.gbx").write_bytes(driven)
        mine.put_back()
        assert (autosaves / "me_A01.Replay.gbx").read_bytes() == replay("A01")
        assert len(names(mine.driven)) == number + 1
    assert {path.read_bytes() for path in mine.driven.iterdir()} == {b"first", b"second"}


def test_after_a_crash_the_next_command_puts_them_back(autosaves: Path, a01: Path, tmp_path, capsys) -> None:
    Ghosts(autosaves, GONE).move_away(a01)
    main(["restore", "--game-folder", str(tmp_path)])
    assert "me_A01.Replay.gbx" in capsys.readouterr().out
    assert len(names(autosaves)) == 2
    main(["restore", "--game-folder", str(tmp_path)])
    assert "nothing" in capsys.readouterr().out


def test_after_a_crash_the_next_run_moves_the_old_best_and_not_what_was_saved_since(autosaves, a01) -> None:
    Ghosts(autosaves, GONE).move_away(a01)
    (autosaves / "me_A01.Replay.gbx").write_bytes(replay("A01") + b" by hand, slower")
    following = Ghosts(autosaves)
    following.move_away(a01)
    following.put_back()
    assert (autosaves / "me_A01.Replay.gbx").read_bytes() == replay("A01")
    assert [path.read_bytes() for path in following.driven.iterdir()] == [replay("A01") + b" by hand, slower"]


def test_a_second_run_leaves_what_the_first_has_moved(autosaves: Path, a01: Path) -> None:
    first, second = Ghosts(autosaves), Ghosts(autosaves)
    first.move_away(a01)
    (autosaves / "me_A01.Replay.gbx").write_bytes(replay("A01") + b" of ours")
    second.move_away(a01)
    second.put_back(), first.put_back()
    assert (autosaves / "me_A01.Replay.gbx").read_bytes() == replay("A01")


@pytest.mark.parametrize("moves", [0, 1])
def test_a_crash_between_journal_and_move_loses_nothing(autosaves, a01, moves: int, monkeypatch) -> None:
    (autosaves / "other_A01.Replay.gbx").write_bytes(replay("A01"))
    left = [moves]

    def crash(old: Path, new: Path) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        os.replace(old, new)

    monkeypatch.setattr(ghosts, "_move", crash)
    with pytest.raises(KeyboardInterrupt):
        Ghosts(autosaves, GONE).move_away(a01)
    monkeypatch.undo()
    assert len(Ghosts(autosaves).recover()) == moves
    assert len(names(autosaves)) == 3


def test_a_damaged_journal_still_finds_what_was_moved(autosaves: Path, a01: Path) -> None:
    mine = Ghosts(autosaves, GONE)
    mine.move_away(a01)
    (autosaves.parent / "btr_tm_ghosts.json").write_text('{"moved": ["../../x"], "users": 3}')
    assert Ghosts(autosaves).recover() == ["me_A01.Replay.gbx"]


def test_a_file_that_names_no_map_is_refused(autosaves: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.Challenge.Gbx"
    with pytest.raises(UserError, match="there is no file .*other.Challenge.Gbx; copy the map there"):
        Ghosts(autosaves).move_away(path)
    path.write_bytes(b"a picture")
    with pytest.raises(UserError, match="does not name its map"):
        Ghosts(autosaves).move_away(path)
