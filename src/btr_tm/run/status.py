"""How a run stands, in `status.json` of its folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.core.files import read_json, write_json

NAME = "status.json"
REFUSED = "refused.json"  # of a job that found its folder in use; status.json is that of the run there
STATES = ("running", "done", "stopped", "failed", "crashed")


class Status(NamedTuple):
    """One of STATES, or "unknown" where nothing readable was left; and why."""

    state: str
    reason: str = ""

    @property
    def well(self) -> bool:
        """The run ended as it should, or goes on when the command is typed again."""
        return self.state in ("done", "stopped")


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
