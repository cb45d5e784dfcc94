"""A pad as a driver's hand: stick and triggers hold keys. Its events come from SDL, or over a local port.

The port is for computers that cannot make up a pad: lines such as "steer -0.5", "gas 1" and "restart 1".
"""

from __future__ import annotations

import math
import socket
from contextlib import suppress

from btr_tm.play.game import Game, Phase
from btr_tm.play.telemetry_server import listening
from btr_tm.race.actions import KEYS, QUARTERS

PRESSED = 0.5  # of the way of a trigger: the simulator's car knows nothing between
NAMES = ("steer", "gas", "brake", "restart", "confirm")
LONGEST = 4096  # bytes that are kept of what comes
ACCELERATE, BRAKE, LEFT, RIGHT = range(len(KEYS))


class Pad:
    """One pad: what it holds is let go of by it alone, so that a keyboard can be used beside it."""

    def move(self, game: Game, name: str, value: float) -> None:
        """One of NAMES: steer from -1 to 1, the others from 0 to 1."""
        if name == "steer":
            way = round(QUARTERS * value) / QUARTERS
            self._hold(game, LEFT, way < 0, -way)
            self._hold(game, RIGHT, way > 0, way)
        elif name in ("gas", "brake"):
            self._hold(game, ACCELERATE if name == "gas" else BRAKE, value >= PRESSED)
        elif value >= PRESSED and (name == "restart" or game.phase is Phase.FINISHED):
            game.restart()

    def _hold(self, game: Game, key: int, down: bool, way: float = 1.0) -> None:
        if down:
            game.keyboard.press(key, min(way, 1.0), by=self)
        else:
            game.keyboard.release(key, by=self)


class PadPort:
    """A pad that a program moves, on `port`, any that is free for 0; close it after use."""

    def __init__(self, port: int) -> None:
        self._pad, self._listener = Pad(), listening(port)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._link: socket.socket | None = None
        self._came = b""

    def poll(self, game: Game) -> None:
        """Do what has come since the last call; it never waits. Who sends anything else is left."""
        with suppress(BlockingIOError):
            link, _ = self._listener.accept()
            link.setblocking(False)
            self._leave(game)
            self._link = link
        if self._link is None:
            return
        try:
            data = self._link.recv(LONGEST)
            *lines, self._came = (self._came + data).split(b"\n")
            well = bool(data) and len(self._came) < LONGEST and all(self._do(game, line) for line in lines)
        except BlockingIOError:
            return
        except OSError:
            well = False
        if not well:
            self._leave(game)

    def close(self) -> None:
        """Hear nothing more."""
        if self._link is not None:
            self._link.close()
        self._listener.close()

    def _do(self, game: Game, line: bytes) -> bool:
        """Whether it is a line for a pad, which then has moved."""
        name, _, number = line.decode("ascii", "replace").partition(" ")
        try:
            value = float(number)
        except ValueError:
            return False
        if name not in NAMES or not math.isfinite(value):
            return False
        self._pad.move(game, name, value)
        return True

    def _leave(self, game: Game) -> None:
        """A pad that is pulled out holds nothing."""
        if self._link is not None:
            self._link.close()
            self._link, self._came = None, b""
            for name in NAMES[:3]:
                self._pad.move(game, name, 0.0)
