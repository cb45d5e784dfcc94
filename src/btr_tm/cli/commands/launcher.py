"""Ctrl-C and SIGTERM while a launcher's processes run the jobs of a sweep, and this one waits for them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from types import FrameType

import psutil

from btr_tm.cli.configuration.composition import Composition
from btr_tm.core.interrupts import INTERRUPTS, WATCHED, Interrupted

# Those who count shared memory for Python and for joblib: their start would end that signals are blocked.
TRACKERS = {
    "": "multiprocessing.resource_tracker",
    "joblib": "joblib.externals.loky.backend.resource_tracker",
}


def beside_launcher(jobs: Sequence[Composition]) -> AbstractContextManager[None]:
    """While this lasts, the jobs run: for Hydra's own launcher, they do so in this process."""
    launcher = jobs[0].choices.get("hydra/launcher", "basic") if jobs else "basic"
    return nullcontext() if launcher == "basic" or sys.platform == "win32" else _passing_on(launcher)


@contextmanager
def _passing_on(launcher: str) -> Iterator[None]:
    """The first signal asks the processes of the jobs to save and end; a second Ctrl-C ends them.

    Signals are blocked in this thread, and so in the processes that it starts, whose imports would answer
    them with a traceback each; `run_job` opens them again there.
    """
    for name in {"", launcher} & TRACKERS.keys():
        import_module(TRACKERS[name]).ensure_running()
    threading.Thread(target=threading.Event().wait, daemon=True).start()  # receives them for this process
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    for number in WATCHED:
        signal.signal(number, _receive)
    try:
        yield
    except Exception as error:  # of jobs that were ended
        if not INTERRUPTS.asked:
            raise
        raise Interrupted from error
    finally:
        INTERRUPTS.listen()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    INTERRUPTS.check()


def _receive(number: int, frame: FrameType | None) -> None:
    if INTERRUPTS.asked:
        if number == signal.SIGINT:
            raise Interrupted  # the launcher ends its processes
        return
    INTERRUPTS.ask(number)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands on the errors of jobs that end, and prints nothing
    children = psutil.Process().children()
    for child in children:
        child.terminate()  # a terminal sent them Ctrl-C already, but SIGTERM never counts as a second one
    if not children:
        INTERRUPTS.leave()  # the jobs are those of a cluster, which go on
