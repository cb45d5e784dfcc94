"""The command that starts a game: TMLoader, through Wine where there is no Windows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from btr_tm.core.errors import UserError

PORT_KEY, TOKEN_KEY = "/btr_tm_port=", "/btr_tm_token="
QUOTES = '"\\\r\n'


class Command(NamedTuple):
    """A program with its arguments, and what it finds in its environment beside our own."""

    words: list[str]
    environment: dict[str, str]


@dataclass(frozen=True)
class Loader:
    """How TMLoader is called."""

    path: str  # of TMLoader.exe
    profile: str  # of TMLoader: which mods it loads; TMInterface must be one of them
    wine: Sequence[str]  # what stands in front on Linux, for example gamemoderun wine
    prefix: str  # WINEPREFIX; "" leaves it as it is
    console: Sequence[str]  # commands of TMInterface at the start of the game; {port} is filled in

    def command(self, port: int, token: str, windows: bool = os.name == "nt") -> Command:
        """The command for a game that listens on `port`; UserError if something is missing."""
        if not self.path:
            raise UserError(
                "where is TMLoader.exe, which starts the game? Set the environment variable BTR_TM_LOADER to "
                "its path, or env.program.loader.path"
            )
        if not Path(self.path).expanduser().is_file():
            raise UserError(
                f"there is no loader {self.path}; set env.program.loader.path to where TMLoader.exe lies"
            )
        given = [f"{PORT_KEY}{port}", f"{TOKEN_KEY}{token}"]
        console = "; ".join(command.replace("{port}", str(port)) for command in self.console)
        if any(sign in console + self.profile for sign in QUOTES):
            raise UserError(
                f"env.program.loader.console and profile must hold no quotes or line ends, got {console}"
            )
        if console:
            given.append(f"/configstring={console}")
        front = [] if windows else list(self.wine)
        words = [*front, str(Path(self.path).expanduser()), "run", "TmForever", self.profile, *given]
        prefix = str(Path(self.prefix).expanduser()) if self.prefix and not windows else ""
        return Command(words, {"WINEPREFIX": prefix} if prefix else {})
