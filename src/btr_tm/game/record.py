"""What this user's programs have started: one small file per port, so that a game outlives its program."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.core.files import read_json, write_json
from btr_tm.game.processes import Process, is_program

FOLDER = Path(".btr_tm") / "games"  # below the user's own folder


class Record(NamedTuple):
    """A game, and the program that uses it."""

    game: Process
    owner: Process


class Records:
    """The records in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, port: int) -> Record | None:
        """What is known about the game on `port`; a file that is not whole is as good as none."""
        path = self._path(port)
        try:
            content = read_json(path) if path.exists() else {}
            game, owner = (Process(*content[key]) for key in ("game", "owner"))
            record = Record(*(Process(int(p.pid), float(p.started), str(p.token)) for p in (game, owner)))
        except (UserError, KeyError, TypeError, ValueError):
            return None
        return record if record.game.token else None

    def write(self, port: int, record: Record) -> None:
        """From now on the game belongs to its owner."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self._path(port), {"game": list(record.game), "owner": list(record.owner)})

    def forget(self, port: int) -> None:
        """The game is over."""
        self._path(port).unlink(missing_ok=True)

    def refuse_taken(self, port: int, me: Process) -> None:
        """UserError if another program that runs uses the game on `port`."""
        record = self.read(port)
        if record is not None and record.owner.pid != me.pid and is_program(record.owner):
            raise UserError(
                f"the game on port {port} is used by another program of btr_tm, process {record.owner.pid}; "
                "end that one first, or choose another port"
            )

    def _path(self, port: int) -> Path:
        return self.folder / f"{port}.json"
