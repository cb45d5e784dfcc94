"""The player's own best race is drawn as a ghost: its file is moved away while we drive, and put back.

A journal beside the files says what was moved and who needs it moved, so that a crash loses nothing: whoever
comes next puts back what nobody needs any more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from btr_tm.core.errors import UserError
from btr_tm.core.files import read_json, write_json
from btr_tm.game.folders import game_folders, this_machine
from btr_tm.game.processes import Process, is_program, own_process

HEADER_BYTES = 1 << 16  # in which a Gbx file names its map, as plain text
UID = re.compile(rb'<(?:map|ident) uid="([A-Za-z0-9_.-]{1,64})"')
SUFFIX = ".replay.gbx"
SETTING = "env.program.ghosts.documents="


class Journal(NamedTuple):
    """What is moved away, and for whom."""

    moved: list[str]  # names of files
    users: list[Process]


class Ghosts:
    """The autosaved races in `autosaves`, which is `Tracks/Replays/Autosaves`."""

    def __init__(self, autosaves: Path, me: Process | None = None) -> None:
        self.autosaves = autosaves
        self.me = me if me is not None else own_process()
        self.kept = autosaves.with_name("btr_tm_kept")  # what was moved away
        self.driven = autosaves.with_name("btr_tm_driven")  # what the game autosaved meanwhile
        self._journal = autosaves.with_name("btr_tm_ghosts.json")
        self._holds = False  # our entry among the users

    def move_away(self, challenge: Path) -> list[str]:
        """The names of the files that were moved because they hold races on the map in `challenge`."""
        if not challenge.is_file():
            raise UserError(f"there is no file {challenge}; copy the map there, or set env.map")
        uid = map_uid(challenge)
        if uid is None:
            raise UserError(f"{challenge} does not name its map in its header; is it a .Challenge.Gbx file?")
        with self._locked() as journal:
            if not journal.users:  # what a program that crashed has left; later races have the same names
                self._put_back(journal)
                journal = Journal([], [])
            names = [path.name for path in self._races() if map_uid(path) == uid]
            moved = journal.moved + [name for name in names if name not in journal.moved]
            # First the journal: what is named there may lie in either place.
            self._write(Journal(moved, journal.users if self._holds else [*journal.users, self.me]))
            self._holds = True
            self.kept.mkdir(exist_ok=True)
            for name in names:
                self._keep(name)
        return names

    def _keep(self, name: str) -> None:
        """Move a race of the player away; one that the game has saved since is one of ours."""
        if (self.kept / name).exists():
            self._move_to_driven(name)
        else:
            _move(self.autosaves / name, self.kept / name)

    def _move_to_driven(self, name: str) -> None:
        self.driven.mkdir(exist_ok=True)
        _move(self.autosaves / name, _free(self.driven / name))

    def put_back(self) -> list[str]:
        """We need them moved no longer: the names of what was put back, unless another program needs it."""
        with self._locked() as journal:
            if self._holds and self.me in journal.users:
                journal.users.remove(self.me)  # one entry: this program may have several games
            self._holds = False
            if not journal.users:
                return self._put_back(journal)
            self._write(journal)
            return []

    def recover(self) -> list[str]:
        """Put back what a program that crashed has left; the names of the files."""
        with self._locked() as journal:
            return [] if journal.users else self._put_back(journal)

    def _put_back(self, journal: Journal) -> list[str]:
        back = [name for name in journal.moved if (self.kept / name).is_file()]
        for name in back:
            if (self.autosaves / name).exists():  # the game has saved a race of ours there
                self._move_to_driven(name)
            _move(self.kept / name, self.autosaves / name)
        self._journal.unlink(missing_ok=True)
        if self.kept.is_dir() and not any(self.kept.iterdir()):
            self.kept.rmdir()
        return back

    def _races(self) -> Iterator[Path]:
        if self.autosaves.is_dir():
            yield from (p for p in sorted(self.autosaves.iterdir()) if p.name.lower().endswith(SUFFIX))

    @contextmanager
    def _locked(self) -> Iterator[Journal]:
        """The journal without users that are gone; no other program changes it meanwhile."""
        if not self.autosaves.parent.is_dir():
            raise UserError(f"there is no folder {self.autosaves.parent}; start the game once")
        with FileLock(self._journal.with_suffix(".lock")):
            journal = self._read()
            yield Journal(journal.moved, [user for user in journal.users if is_program(user)])

    def _read(self) -> Journal:
        if not self._journal.exists():
            return Journal([], [])
        try:
            content = read_json(self._journal)
            moved = [name for name in content["moved"] if Path(name).name == name]
            users = [Process(int(pid), float(started), "") for pid, started in content["users"]]
        except (UserError, KeyError, TypeError, ValueError):
            # Nothing is lost: what was moved lies in our own folder.
            names = [path.name for path in self.kept.iterdir()] if self.kept.is_dir() else []
            return Journal(names, [])
        return Journal(moved, users)

    def _write(self, journal: Journal) -> None:
        users = [[user.pid, user.started] for user in journal.users]
        write_json(self._journal, {"moved": journal.moved, "users": users})


@dataclass
class HiddenGhosts:
    """No ghost is in the picture while we drive on `map`."""

    documents: str  # folder with TMInterface in it, or a Wine prefix; "" searches
    map: str  # path below Tracks/Challenges

    def __post_init__(self) -> None:
        self._ghosts: Ghosts | None = None

    def move_away(self) -> None:
        """Before a game starts, or when it goes on."""
        if self._ghosts is None and self.map:
            named = Path(self.documents) if self.documents else None
            folders = game_folders(this_machine(), named, SETTING)[0]
            ghosts = Ghosts(folders.autosaves)
            ghosts.move_away(folders.maps / self.map)
            self._ghosts = ghosts

    def put_back(self) -> None:
        """When no game of ours drives any more."""
        if self._ghosts is not None:
            self._ghosts.put_back()
            self._ghosts = None


@dataclass(frozen=True)
class ShownGhosts:
    """The player's files stay where they are."""

    def move_away(self) -> None:
        """Nothing to do."""

    def put_back(self) -> None:
        """Nothing to do."""


def map_uid(path: Path) -> str | None:
    """The identity of the map in a challenge or a replay; None where the header names none."""
    try:
        with path.open("rb") as file:
            found = UID.search(file.read(HEADER_BYTES))
    except OSError:
        return None
    return found[1].decode() if found else None


def _move(old: Path, new: Path) -> None:
    try:
        os.replace(old, new)
    except OSError as error:
        raise UserError(f"cannot move {old} to {new} ({error.strerror}); close the game first") from error


def _free(path: Path) -> Path:
    names = (path.with_name(f"{number}_{path.name}" if number else path.name) for number in count())
    return next(name for name in names if not name.exists())
