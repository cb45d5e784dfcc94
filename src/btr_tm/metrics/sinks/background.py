"""Calls that training does not wait for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import NamedTuple

MOST_WAITING = 200  # rows of some 50 kB each


class Call(NamedTuple):
    """What to do, and who waits for its end."""

    make: Callable[[], None]
    ended: threading.Event | None = None


class Background:
    """Makes calls one after another, in a thread of its own, which ends with the program.

    The first error of a call goes to `failed`; later calls are not made.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._calls: queue.Queue[Call] = queue.Queue(MOST_WAITING)
        threading.Thread(target=self._work, daemon=True).start()

    def later(self, call: Callable[[], None]) -> bool:
        """Make `call` when those before it are done; False if too many wait."""
        return self._put(Call(call))

    def within(self, patience_s: float, call: Callable[[], None]) -> bool:
        """Make `call` after the others; whether all of that ended in `patience_s` seconds, well or not."""
        ended = threading.Event()
        return self._put(Call(call, ended)) and ended.wait(patience_s)

    def _put(self, call: Call) -> bool:
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            return False
        return True

    def _work(self) -> None:
        works = True
        while True:
            call = self._calls.get()
            try:
                if works:
                    call.make()
            except Exception as error:  # of a library, whatever it is: training goes on
                works = False
                self._failed(error)
            if call.ended is not None:
                call.ended.set()
