"""Games that we start, look after and end. What starts them and on which port they listen is in `command`."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from btr_tm.core.errors import UserError
from btr_tm.game.command import Command, Loader
from btr_tm.game.ghosts import HiddenGhosts, ShownGhosts
from btr_tm.game.processes import Process, end, find_game, is_alive, own_process
from btr_tm.game.record import FOLDER, Record, Records

LOOK_S = 0.2  # between two looks for the new process
LOADER_S = 30.0  # for the loader to end by itself
SHORT_S = 60.0  # a game that ends sooner has not really started
SHORT_GAMES = 3  # in a row, before we give up
STARTING = 0  # in the place of the number of a process that is not there yet


@dataclass(frozen=True)
class Limits:
    """When a game is started again."""

    start_s: float  # for the game's process to be there
    longest_s: float  # an older game is ended: they grow slow
    failures: int  # within `failures_s` seconds, after which a game is ended
    failures_s: float

    def __post_init__(self) -> None:
        for name in ("start_s", "longest_s", "failures", "failures_s"):
            if getattr(self, name) <= 0:
                raise UserError(f"env.program.limits.{name} must be more than 0, got {getattr(self, name)}")


class TMLoader:
    """A `Program` that starts one game per port with TMLoader, on Windows or through Wine.

    Only what was started here, or by an earlier program that left its record, is ever ended. With
    `keep_running` games go on when the program ends, and the next program finds them again.
    """

    def __init__(
        self,
        loader: Loader,
        limits: Limits,
        ghosts: ShownGhosts | HiddenGhosts,
        keep_running: bool,
        records: Path | None = None,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.loader, self.limits, self.ghosts = loader, limits, ghosts
        self.keep_running = keep_running
        self.records = Records(records if records is not None else Path.home() / FOLDER)
        self.clock, self.wait = clock, wait
        self.start_s = limits.start_s + LOADER_S
        self._games: dict[int, Process] = {}
        self._failed_at: dict[int, list[float]] = {}
        self._short_games: dict[int, int] = {}

    def ensure(self, port: int) -> bool:
        """See to it that a game of ours runs on `port`; whether it was started just now.

        UserError if it does not start, if it ends again and again, or if another program uses it.
        """
        self.records.refuse_taken(port, own_process())
        self.ghosts.move_away()
        game = self._known(port)
        if game is not None and is_alive(game):
            if self.clock() - game.started < self.limits.longest_s:
                if port not in self._games:
                    self._own(port, game)
                return False
            end(game)
        elif port in self._games:
            self._count_short(port, self._games[port])
        self._own(port, self._started(port))
        return True

    def failed(self, port: int) -> None:
        """It did not do what it was asked; a game that goes on failing is ended, for another to start."""
        now = self.clock()
        times = [time for time in self._failed_at.get(port, []) if now - time <= self.limits.failures_s] + [
            now
        ]
        self._failed_at[port] = times
        if len(times) >= self.limits.failures:
            self._end(port)

    def close(self) -> None:
        """Leave the games running, or end them."""
        for port in list(self._games):
            if not self.keep_running:
                self._end(port)
        self._games.clear()
        self.ghosts.put_back()

    def _known(self, port: int) -> Process | None:
        record = self.records.read(port)
        game = self._games.get(port) or (record.game if record else None)
        return find_game(game.token) if game is not None and game.pid == STARTING else game

    def _own(self, port: int, game: Process) -> None:
        self._games[port] = game
        self._failed_at.pop(port, None)
        self.records.write(port, Record(game, own_process()))

    def _end(self, port: int) -> None:
        if (game := self._games.pop(port, None)) is not None:
            end(game)
            self.records.forget(port)
        self._failed_at.pop(port, None)

    def _count_short(self, port: int, game: Process) -> None:
        """Give up on a game that ends by itself as soon as it is started."""
        short = self.clock() - game.started < SHORT_S
        self._short_games[port] = self._short_games.get(port, 0) + 1 if short else 0
        if self._short_games[port] >= SHORT_GAMES:
            raise UserError(
                f"the game on port {port} ended {SHORT_GAMES} times soon after its start; "
                f"start it by hand to see why: {_shown(self.loader.command(port, 'by_hand'))}"
            )

    def _started(self, port: int) -> Process:
        """A new game, as soon as its process is there; one at a time, or they disturb each other."""
        token = uuid.uuid4().hex
        command = self.loader.command(port, token)
        self.records.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.records.folder / "start.lock"):
            # If we are killed meanwhile, the next program finds the game by the token.
            self.records.write(port, Record(Process(STARTING, self.clock(), token), own_process()))
            loader = _run(command)
            try:
                return self._found(token, command)
            finally:
                _end_loader(loader)

    def _found(self, token: str, command: Command) -> Process:
        until = self.clock() + self.limits.start_s
        while (game := find_game(token)) is None:
            if self.clock() >= until:
                raise UserError(
                    f"no game has started within {self.limits.start_s:g} s; try by hand: {_shown(command)}"
                )
            self.wait(LOOK_S)
        return game


def _run(command: Command) -> subprocess.Popen[bytes]:
    """Start it as a program of its own: what is typed here, such as Ctrl-C, is not for it."""
    new_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    quiet = subprocess.DEVNULL
    try:
        return subprocess.Popen(
            command.words,
            env={**os.environ, **command.environment},
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            start_new_session=True,
            creationflags=new_group,
        )
    except OSError as error:
        raise UserError(
            f"cannot run {command.words[0]} ({error.strerror}); install it, or mend env.program.loader"
        ) from error


def _end_loader(loader: subprocess.Popen[bytes]) -> None:
    """It ends by itself once the game runs."""
    try:
        loader.wait(LOADER_S)
    except subprocess.TimeoutExpired:
        loader.kill()
        loader.wait()


def _shown(command: Command) -> str:
    words = [f'"{word}"' if " " in word else word for word in command.words]
    return " ".join([f"{name}={value}" for name, value in command.environment.items()] + words)
