"""Connections to one game that come back after whatever goes wrong, a bounded number of times."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from btr_tm.core.errors import UserError
from btr_tm.envs.tminterface.connection import Connection
from btr_tm.envs.tminterface.machine import Finish, Keys, Machine, Moment, Settings
from btr_tm.envs.tminterface.messages import ProtocolError
from btr_tm.envs.tminterface.simstate import GameState, decode

LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True)
class Patience:
    """How long the game may take, in seconds, and how often it may fail in a row."""

    connect_s: float  # until a game that runs listens
    start_s: float  # until one just started does; from connecting to the start line: it loads, counts down
    answer_s: float  # to a decision
    tries: int
    pause_s: float  # after the first failure; twice as long after each that follows

    def __post_init__(self) -> None:
        for name in ("connect_s", "start_s", "answer_s", "pause_s", "tries"):
            if getattr(self, name) <= 0:
                raise UserError(f"env.patience.{name} must be more than 0, got {getattr(self, name)}")

    def longest_s(self, program: Program) -> float:
        """Until a race has begun, or was tried in vain for the last time."""
        return self.tries * (program.start_s + 2 * max(self.start_s, self.connect_s) + LONGEST_PAUSE_S)


class Program(Protocol):
    """Whoever sees to it that a game runs."""

    @property
    def start_s(self) -> float:
        """How long `ensure` may take."""
        ...

    def ensure(self, port: int) -> bool:
        """Start the game that listens on `port` unless it runs; whether it was started just now.

        Asked before every race. UserError if it cannot be started.
        """
        ...

    def failed(self, port: int) -> None:
        """It did not do what it was asked; if it fails again and again, end it and start another."""
        ...

    def close(self) -> None:
        """No longer needed."""
        ...


@dataclass(frozen=True)
class StartedByHand:
    """The game was started by somebody else, who looks after it."""

    start_s: ClassVar[float] = 0.0

    def ensure(self, port: int) -> bool:
        """It should run."""
        return False

    def failed(self, port: int) -> None:
        """Nothing to be done from here."""

    def close(self) -> None:
        """It goes on."""


class Racing:
    """Races in the game on `port`, one after the other."""

    def __init__(
        self,
        settings: Settings,
        port: int,
        patience: Patience,
        program: Program,
        say: Callable[[str], None],
    ) -> None:
        self.settings, self.port, self.patience = settings, port, patience
        self.program, self.say = program, say
        self.failures = 0  # so far, of whatever kind
        self._connection: Connection | None = None

    def begin(self) -> tuple[Moment, GameState]:
        """A new race, and what its first state says; connects first if needed.

        UserError after `tries` failures in a row.
        """
        for trial in range(self.patience.tries):
            if trial:
                time.sleep(min(self.patience.pause_s * 2 ** (trial - 1), LONGEST_PAUSE_S))
            try:
                return self._begin()
            except ProtocolError as error:
                reason = error
                self.fail(error)
        raise UserError(
            f"the game on port {self.port} failed {self.patience.tries} times in a row, last because {reason}"
        ) from reason

    def _begin(self) -> tuple[Moment, GameState]:
        started = self.program.ensure(self.port)
        if started and self._connection is not None:
            self._connection.drop()  # it was to a game which is no more
            self._connection = None
        if self._connection is None:
            limit_s = self.patience.start_s if started else self.patience.connect_s
            machine = Machine(self.settings)
            self._connection = Connection(machine, self.port, limit_s)
            self._connection.run(machine.connect(), self.patience.start_s)
        moment = self._connection.run(self._connection.machine.begin(), self.patience.start_s)
        return moment, decode(moment.state)

    def decide(self, actions: list[Keys]) -> tuple[Moment | Finish, GameState]:
        """One decision; a ProtocolError voids the race, and whoever catches it calls `fail`."""
        if self._connection is None:
            raise ProtocolError("there is no race to go on with")
        answer = self._connection.run(self._connection.machine.decide(actions), self.patience.answer_s)
        return answer, decode(answer.state)

    def fail(self, error: ProtocolError) -> None:
        """Count a failure and drop the connection: what the game would make of more bytes is not known."""
        self.failures += 1
        self.say(f"the game on port {self.port} failed: {error}")
        if self._connection is not None:
            self._connection.drop()
            self._connection = None
        self.program.failed(self.port)

    def close(self) -> None:
        """The game goes on by itself."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.program.close()
