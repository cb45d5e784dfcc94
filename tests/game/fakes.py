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
command = [sys.executable, *{options!r}, {game!r}, " ".join(sys.argv[4:])]
subprocess.Popen(command, start_new_session=True)
"""
BARE = ["-I", "-S"]  # without packages Python starts fast
SLEEPING = """
import time
time.sleep(120)
"""
STAND_IN = """
import sys
from btr_tm.game.standin import main
main(["--track", "oval", "--port", sys.argv[1].split("/btr_tm_port=")[1].split()[0]])
"""


class Clock:
    """Seconds that pass when told to."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Fakes(NamedTuple):
    """A loader that starts a script as the game."""

    folder: Path

    @property
    def loader(self) -> Path:
        return self.folder / "TMLoader.exe"

    def write(self, game: str = SLEEPING) -> Fakes:
        path = self.folder / "TmForever.exe"
        path.write_text(game)
        options = BARE if game == SLEEPING else []
        self.loader.write_text(LOADER.format(game=str(path), options=options))
        return self

    def program(
        self,
        clock: Callable[[], float],
        keep_running: bool = False,
        ghosts: ShownGhosts | HiddenGhosts | None = None,
        **given: float,
    ) -> TMLoader:
        limits = {"start_s": 300.0, "longest_s": 43_200.0, "failures": 3, "failures_s": 120.0} | given
        wine = [sys.executable, *BARE]
        return TMLoader(
            Loader(str(self.loader), "default", wine, prefix="", console=["set autologin me"]),
            Limits(**limits),
            ghosts or ShownGhosts(),
            keep_running,
            records=self.folder / "records",
            clock=clock,
        )
