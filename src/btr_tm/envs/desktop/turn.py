"""There is one game on this computer: whose race it is, a worker's or that of an evaluation."""

from __future__ import annotations

import getpass
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.protocols import GameLost

OTHERS_FIRST_S = 0.2  # several times as long as others take to notice that it is their turn


class Turn:
    """A turn of one process; it ends with the process, however that ends."""

    def __init__(self, patience_s: float, folder: Path | None = None) -> None:
        if patience_s <= 0:
            raise UserError(f"env.turn.patience_s must be more than 0, got {patience_s}")
        self.patience_s = patience_s
        path = (folder or Path(tempfile.gettempdir())) / f"btr_tm_desktop_{getpass.getuser()}.lock"
        self._lock = FileLock(path)

    def take(self) -> None:
        """Wait for it, unless it is ours; GameLost after `patience_s`."""
        if self._lock.is_locked:
            return
        try:
            self._lock.acquire(timeout=self.patience_s, poll_interval=OTHERS_FIRST_S / 4)
        except Timeout as error:
            raise GameLost(
                f"another program of btr_tm has driven in the game for {self.patience_s:g} s; end it"
            ) from error

    def leave(self) -> None:
        """Let others go first, if it is ours."""
        if self._lock.is_locked:
            self._lock.release()
            time.sleep(OTHERS_FIRST_S)
