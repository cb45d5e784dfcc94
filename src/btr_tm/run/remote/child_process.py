"""Child processes of a run: started alike on every system, and ended when the run ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from multiprocessing import connection, get_context, get_start_method, parent_process, set_start_method
from multiprocessing.context import SpawnContext

PR_SET_PDEATHSIG = 1  # of Linux


def spawn_context() -> SpawnContext:
    """The context that works alike on every system, also within a job of joblib."""
    if get_start_method(allow_none=True) == "loky":  # joblib's own, which a plain child could not look up
        set_start_method("spawn", force=True)
    return get_context("spawn")


def die_with_parent() -> None:
    """The calling process ends when the one that started it does, whatever either of them is doing."""
    if sys.platform == "linux":  # also one that is stopped, or that never releases the interpreter
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(0)
