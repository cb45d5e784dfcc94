"""A launcher's processes run the jobs of a sweep, and this one waits for them: what it says meanwhile, what
becomes of Ctrl-C and SIGTERM, and how a job whose time on a cluster is over begins again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import FrameType

import psutil

from btr_tm.cli.configuration.composition import Composition
from btr_tm.core.errors import UserError
from btr_tm.core.interrupts import INTERRUPTS, WATCHED, Interrupted
from btr_tm.run import sweep

LOOK_EVERY_S = 5.0

# Those who count shared memory for Python and for joblib: their start would end that signals are blocked.
TRACKERS = {
    "": "multiprocessing.resource_tracker",
    "joblib": "joblib.externals.loky.backend.resource_tracker",
}


@contextmanager
def beside_launcher(jobs: Sequence[Composition]) -> Iterator[None]:
    """While this lasts, the jobs run: for Hydra's own launcher, they do so in this process."""
    launcher = jobs[0].choices.get("hydra/launcher", "basic") if jobs else "basic"
    with ExitStack() as stack:
        if launcher != "basic":
            stack.enter_context(_saying({job.folder.parents[1] for job in jobs}))
            if sys.platform != "win32":
                stack.enter_context(_passing_on(launcher))
        yield


@contextmanager
def _saying(folders: Iterable[Path]) -> Iterator[None]:
    """While this lasts, print how the sweeps in `folders` stand whenever that has changed."""
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(folders, ended), daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def _tell(folders: Iterable[Path], ended: threading.Event) -> None:
    said: dict[Path, str] = {}
    while not ended.wait(LOOK_EVERY_S):
        for folder in folders:
            with suppress(UserError, OSError):  # a file that is just being written
                line = sweep.line(sweep.standings(folder))
                if said.get(folder) != line:
                    print(line, flush=True)
                said[folder] = line


@contextmanager
def requeueing() -> Iterator[None]:
    """While this lasts, a job of submitit whose time is over saves, and only then is queued again.

    submitit does that on its own signal, which comes before the time limit, and before preemption where the
    cluster is set so; alone it would do it at once, without a checkpoint. Slurm itself sends SIGTERM: such a
    job exits with 75, with which RequeueExit of slurm.conf or a script around it may queue it again.
    """
    executor = os.environ.get("SUBMITIT_EXECUTOR")
    if INTERRUPTS.is_program or executor is None:
        yield
        return
    number = signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]
    requeue = signal.getsignal(number)
    asked = threading.Event()

    def save(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.raise_signal(signal.SIGTERM)

    signal.signal(number, save)
    yield
    if asked.is_set() and callable(requeue):
        requeue(number, None)
    elif INTERRUPTS.asked and executor == "slurm":
        sys.exit(INTERRUPTS.exit_code)


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
    jobs = _jobs()
    for job in jobs:
        with suppress(psutil.NoSuchProcess):
            job.terminate()  # a terminal sent them Ctrl-C already, but SIGTERM never counts as a second one
    if not jobs:
        INTERRUPTS.leave()  # the jobs are those of a cluster, which go on


def _jobs() -> list[psutil.Process]:
    """Processes in which jobs run; none where they are a cluster's.

    Below a process that submitit starts for each, which inherits that signals are blocked and passes none on.
    """
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            command = " ".join(child.cmdline())
            if "submitit.local._local" in command:
                found += child.children()
            elif "resource_tracker" not in command:
                found.append(child)
    return found
