"""What the doctor for TrackMania Nations Forever looks at: the settings of a run, and a line to the game."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from btr_tm.envs.tminterface.connection import Connection
from btr_tm.envs.tminterface.games import Patience, Program
from btr_tm.envs.tminterface.machine import TICK_MS, Finish, Keys, Machine, Moment, Result, Settings, Talk
from btr_tm.envs.tminterface.messages import ProtocolError
from btr_tm.envs.tminterface.simstate import GameState, decode
from btr_tm.game.folders import GameFolders
from btr_tm.game.folders import Machine as Computer

Driven = tuple[Moment | Finish, GameState]


class Drive(NamedTuple):
    """Keys for one decision after the other, of `ticks` of 10 ms each."""

    keys: Sequence[Keys]  # accelerate, brake, left, right
    ticks: int


@dataclass
class Bench:
    """The settings of a run, and what earlier links have found out."""

    settings: Settings
    port: int
    patience: Patience
    program: Program
    computer: Computer
    drive: Drive  # for the comparison of speeds
    named: Path | None = None  # --game-folder
    which: Callable[[str], str | None] = shutil.which
    folders: GameFolders | None = None
    connection: Connection | None = None
    refused: ProtocolError | None = None  # the plugin said hello, and that was all
    start: GameState | None = None

    def connect(self) -> None:
        """Only a line to whoever listens on the port, after a game was started if that is ours to do."""
        self.leave()
        started = self.program.ensure(self.port)
        limit_s = self.patience.start_s if started else self.patience.connect_s
        self.connection = Connection(Machine(self.settings), self.port, limit_s)

    def greet(self) -> None:
        """Tell the game what we want."""
        line = self._line
        line.run(line.machine.connect(), self.patience.start_s)

    def begin(self) -> Driven:
        """A new race, at the start line; connected again if the last link broke the line."""
        if self.connection is None:
            self.connect()
            self.greet()
        moment = self._run(self._line.machine.begin(), self.patience.start_s)
        return moment, decode(moment.state)

    def hold(self, keys: Keys, decisions: int) -> Iterator[Driven]:
        """What is seen after each of so many decisions with the same keys; ends with the race."""
        for _ in range(decisions):
            answer = self._run(self._line.machine.decide([keys]), self.patience.answer_s)
            yield answer, decode(answer.state)
            if isinstance(answer, Finish):
                return

    @contextmanager
    def elsewhere(self, speed: float, ticks: int, pictures: bool) -> Iterator[None]:
        """Connected again, at another speed."""
        kept = self.settings
        size = (kept.width, kept.height) if pictures else (0, 0)
        self.settings = replace(
            kept,
            running_speed=speed,
            decision_ticks=ticks,
            period_ms=TICK_MS * ticks,
            width=size[0],
            height=size[1],
        )
        try:
            self.connect()
            self.greet()
            yield
        finally:
            self.settings = kept

    def leave(self) -> None:
        """The game goes on by itself."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _run(self, talk: Talk[Result], limit_s: float) -> Result:
        line = self._line
        try:
            return line.run(talk, limit_s)
        except ProtocolError:
            line.drop()  # what the game would make of more bytes is not known
            self.connection = None
            raise

    @property
    def _line(self) -> Connection:
        assert self.connection is not None
        return self.connection
