"""One process per run folder."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from btr_tm.core.errors import UserError

NAME = ".lock"


def hold(folder: Path) -> FileLock:
    """A lock on `folder`, which is made if it does not exist; it ends with `release`, or with the process.

    Raises UserError while another process holds it, or if nothing can be written there.
    """
    lock = FileLock(folder / NAME)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(
            f"another process is training in {folder.as_posix()}; wait for it, stop it, or choose another "
            "name, arm or seed"
        ) from error
    except OSError as error:
        raise UserError(f"cannot write into {folder.as_posix()} ({error.strerror or error})") from error
    return lock


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file at `path`."""
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return True
    lock.release()
    return False
