"""Ctrl-C and SIGTERM, from the first line of a program to its last; imports nothing that takes time."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import Enum
from types import FrameType
from typing import NoReturn

CTRL_C = 130  # the exit code that shells give to a program ended by Ctrl-C
PREEMPTED = 75  # EX_TEMPFAIL, try again later: after SIGTERM; nothing is lost
WATCHED = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """The first signal, where something has to be closed before the program ends."""


class Answer(Enum):
    """What the first signal does."""

    LEAVE = "end the program"  # nothing is open
    UNWIND = "raise Interrupted"  # what is open is closed on the way
    NOTE = "set `asked`"  # whoever works ends by itself


class Interrupts:
    """Owns both signals. What the first one does depends on what the program is doing; a second Ctrl-C always
    ends it at once, in one line. SIGTERM is never a second one: schedulers repeat it.
    """

    def __init__(self) -> None:
        self.number: int | None = None  # the first signal
        self.is_program = False  # else a process that a launcher has started for a job
        self._answer = Answer.NOTE
        self._hint, self._has_said = "", False
        self._closers: list[Callable[[], None]] = []

    @property
    def asked(self) -> bool:
        """Whether the program should end."""
        return self.number is not None

    @property
    def exit_code(self) -> int:
        return PREEMPTED if self.number == signal.SIGTERM else CTRL_C

    @contextmanager
    def program(self, hint: str = "") -> Iterator[None]:
        """The whole program: until something says otherwise, the first signal ends it in one line.

        `hint` is what that line says beside "stopped".
        """
        self.is_program, self._answer, self._hint = True, Answer.LEAVE, hint
        self.listen()
        try:
            yield
        except KeyboardInterrupt:  # everything is closed
            self._say()
            sys.exit(self.exit_code)

    def listen(self) -> None:
        """Receive the signals, also in a process which a launcher has started for a job."""
        if threading.current_thread() is threading.main_thread():  # others cannot
            for number in WATCHED:
                signal.signal(number, self._receive)
            if sys.platform != "win32":  # whoever started this process may have blocked them until now
                signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)

    def unwinding(self) -> AbstractContextManager[None]:
        """While this lasts, the first signal raises Interrupted."""
        return self._answering(Answer.UNWIND)

    def noting(self) -> AbstractContextManager[None]:
        """While this lasts, the first signal only sets `asked`."""
        return self._answering(Answer.NOTE)

    @contextmanager
    def _answering(self, answer: Answer) -> Iterator[None]:
        before, self._answer = self._answer, answer
        try:
            yield
        finally:
            self._answer = before

    @contextmanager
    def closing(self, close: Callable[[], None]) -> Iterator[None]:
        """While this lasts, a program that ends at once calls `close` first, which must be quick."""
        self._closers.append(close)
        try:
            yield
        finally:
            self._closers.remove(close)

    def ask(self, number: int = signal.SIGINT) -> None:
        """What the signal `number` does where signals are only noted."""
        self.number = self.number or number

    def check(self) -> None:
        """Raise Interrupted if a signal was only noted before."""
        if self.asked:
            raise Interrupted

    def _receive(self, number: int, frame: FrameType | None) -> None:
        first = not self.asked
        self.ask(number)
        if first and self._answer is Answer.UNWIND:
            raise Interrupted
        if not first and number == signal.SIGINT:
            self.number = number  # also after SIGTERM: what was to be saved is not
            self.leave(" at once")
        if self._answer is Answer.LEAVE:
            self.leave()

    def leave(self, how: str = "") -> NoReturn:
        """End at once, in one line."""
        for close in reversed(self._closers):
            with suppress(Exception):
                close()
        self._say(how)
        os._exit(self.exit_code)

    def _say(self, how: str = "") -> None:
        """One line, past whatever may be in the middle of writing."""
        if not self.is_program or self._has_said:
            return
        self._has_said = True
        if sys.stdout.isatty():
            os.write(1, b"\x1b[?25h\n")  # a live display hides the cursor
        os.write(2, f"btr_tm: stopped{how}{self._hint}\n".encode())


INTERRUPTS = Interrupts()  # signals belong to the process
