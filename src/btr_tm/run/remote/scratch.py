"""A temporary folder that is removed when the process that made it ends, even if that is killed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from btr_tm.run.remote.child_process import shielded

# Waits for the end of its input, which comes when the maker closes it or ends. Others may still be writing.
_KEEPER = """
import shutil, sys, time
from pathlib import Path
sys.stdin.read()
for _ in range(100):
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    time.sleep(0.1)
    if not Path(sys.argv[1]).exists():
        break
"""


class Scratch:
    """Makes the folder, and starts a small process that removes it after `close` or the end of this process.

    The name is short, because a socket's path has to fit into some hundred characters.
    """

    def __init__(self, prefix: str) -> None:
        short = Path("/tmp")
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=short if short.is_dir() else None))
        command = [sys.executable, "-c", _KEEPER, str(self.folder)]
        with shielded():
            self._keeper = subprocess.Popen(command, stdin=subprocess.PIPE)

    def close(self) -> None:
        """Returns when the folder is gone, or after ten seconds of trying; safe to call twice."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait()
