"""Finding and ending the processes of games that we started, and no others."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import NamedTuple

import psutil

GAME = re.compile(r"(^|[\\/])tmforever\.exe$", re.IGNORECASE)
SAME_START_S = 2.0  # the system's clock may be set between two looks
END_S = 10.0  # to end when asked, before it is made to


class Process(NamedTuple):
    """A game that was started by us: a number alone may be another program's by now."""

    pid: int
    started: float  # seconds since 1970
    token: str  # stands in its command line and in no other


def find_game(token: str) -> Process | None:
    """The game with `token` in its command line; its loader, which has it too, is none."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if _is_game(process, token):
                return Process(process.pid, process.create_time(), token)
    return None


def is_alive(game: Process) -> bool:
    """Whether it still runs."""
    return _live(game) is not None


def end(game: Process) -> None:
    """End it, if it is still the one that was started."""
    process = _live(game)
    if process is None:
        return
    with suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(END_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(END_S)


def own_process() -> Process:
    """This program."""
    process = psutil.Process()
    return Process(process.pid, process.create_time(), "")


def is_program(program: Process) -> bool:
    """Whether the program that called `own_process` still runs."""
    try:
        process = psutil.Process(program.pid)
        return _same(process, program) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _live(game: Process) -> psutil.Process | None:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(game.pid)
        if _same(process, game) and _is_game(process, game.token):
            return process
    return None


def _same(process: psutil.Process, known: Process) -> bool:
    return abs(process.create_time() - known.started) < SAME_START_S


def _is_game(process: psutil.Process, token: str) -> bool:
    """A zombie, which has no command line any more, is none."""
    words = process.cmdline()
    return any(token in word for word in words) and any(GAME.search(word) for word in words)
