"""Programs that behave like TMLoader and the game, for tests of what starts and ends them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from btr_tm.game.command import Loader
from btr_tm.game.ghosts import HiddenGhosts, ShownGhosts
from btr_tm.game.launch import Limits, TMLoader

LOADER = """
import subprocess, sys
command = [sys.executable, "-I", "-S", {game!r}, " ".join(sys.argv[4:])]
subprocess.Popen(command, start_new_session=True)
"""
GAME = """
import time
time.sleep({seconds})
"""


class Clock:
    """Seconds that pass when told to."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Fakes(NamedTuple):
    """A loader that starts a game that ends by itself after a while."""

    folder: Path

    @property
    def loader(self) -> Path:
        return self.folder / "TMLoader.exe"

    def write(self, seconds: float = 120.0) -> Fakes:
        game = self.folder / "TmForever.exe"
        game.write_text(GAME.format(seconds=seconds))
        self.loader.write_text(LOADER.format(game=str(game)))
        return self

    def program(
        self,
        clock: Callable[[], float],
        keep_running: bool = False,
        ghosts: ShownGhosts | HiddenGhosts | None = None,
        **given: float,
    ) -> TMLoader:
        limits = {"start_s": 300.0, "longest_s": 43_200.0, "failures": 3, "failures_s": 120.0} | given
        wine = [sys.executable, "-I", "-S"]
        return TMLoader(
            Loader(str(self.loader), "default", wine, prefix="", console=["set autologin me"]),
            Limits(**limits),
            ghosts or ShownGhosts(),
            keep_running,
            records=self.folder / "records",
            clock=clock,
        )
