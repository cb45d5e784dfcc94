"""How a run stands, in `status.json` of its folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.core.files import read_json, write_json

NAME = "status.json"
PROGRAM = "BTR_TM_PROGRAM"  # environment variable: which program a job belongs to, in whatever process
STATES = ("running", "done", "stopped", "failed", "crashed")


class Status(NamedTuple):
    """One of STATES, or "unknown" where nothing readable was left; and why."""

    state: str
    reason: str = ""

    @property
    def well(self) -> bool:
        """The run ended as it should, or goes on when the command is typed again."""
        return self.state in ("done", "stopped")


def refused_name() -> str:
    """The file in which a job of this program says that its folder is in use.

    `status.json` there is that of the run that uses it.
    """
    return f"refused_{os.environ.get(PROGRAM) or os.getpid()}.json"


def write(folder: Path, status: Status, name: str = NAME) -> None:
    """Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / name, status._asdict())


def read(folder: Path, name: str = NAME) -> Status:
    """What `write` wrote."""
    try:
        held = read_json(folder / name)
    except UserError:
        return Status("unknown", f"{folder / name} is missing or cannot be read")
    state, reason = held.get("state"), held.get("reason")
    if state not in STATES or not isinstance(reason, str):
        return Status("unknown", f"{folder / name} says nothing about a run")
    return Status(state, reason)
