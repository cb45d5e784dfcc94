"""Child processes of a run: started alike on every system, and ended when the run ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context, get_start_method, parent_process, set_start_method
from multiprocessing.context import SpawnContext

from btr_tm.core.interrupts import WATCHED

PR_SET_PDEATHSIG = 1  # of Linux


def spawn_context() -> SpawnContext:
    """The context that works alike on every system, also within a job of joblib."""
    if get_start_method(allow_none=True) == "loky":  # joblib's own, which a plain child could not look up
        set_start_method("spawn", force=True)
    return get_context("spawn")


@contextmanager
def shielded() -> Iterator[None]:
    """A process that is started here gets no Ctrl-C and no SIGTERM, which reach the whole group.

    It inherits that they are blocked; ignoring them is too late while its imports last.
    """
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # its own start would end the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_signals() -> None:
    """Whoever started the calling process decides when it ends."""
    for number in WATCHED:
        signal.signal(number, signal.SIG_IGN)


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
