"""The socket to the game: conversations with a time limit that holds on every system."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

from btr_tm.envs.tminterface.machine import Machine, Result, Talk
from btr_tm.envs.tminterface.messages import ProtocolError

HOST = "127.0.0.1"  # the game listens to programs on the same machine only
READ_BYTES = 1 << 17
RETRY_S = 0.1


class Connection:
    """Carries the conversations of one `machine`; whatever fails is a ProtocolError."""

    def __init__(self, machine: Machine, port: int, limit_s: float) -> None:
        self.machine, self.port = machine, port
        self._socket = _connected(port, limit_s)

    def run(self, talk: Talk[Result], limit_s: float) -> Result:
        """What `talk` ends with; the limit is for the whole of it, so that trickling bytes do not help."""
        try:
            return self._run(talk, time.monotonic() + limit_s)
        except TimeoutError:
            raise ProtocolError(
                f"the game on port {self.port} did not answer within {limit_s:g} s {self.machine.doing}"
            ) from None
        except OSError as error:
            raise ProtocolError(
                f"the connection to the game on port {self.port} broke {self.machine.doing} ({error})"
            ) from error

    def _run(self, talk: Talk[Result], until: float) -> Result:
        came = None
        while True:
            try:
                to_send = next(talk) if came is None else talk.send(came)
            except StopIteration as end:
                self._send(self.machine.take_output(), until)
                return end.value
            self._send(to_send, until)
            came = self._receive(until)

    def _send(self, data: bytes, until: float) -> None:
        if data:
            self._socket.settimeout(_left(until))
            self._socket.sendall(data)

    def _receive(self, until: float) -> bytes:
        self._socket.settimeout(_left(until))
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise ConnectionError("the game closed it")
        return data

    def close(self, limit_s: float = 1.0) -> None:
        """Let the game go on by itself, if it still listens, and close the socket."""
        with suppress(ProtocolError, OSError):
            self._socket.settimeout(limit_s)
            self._socket.sendall(next(self.machine.leave()))
        self.drop()

    def drop(self) -> None:
        """Close the socket without a word: after a fault nobody knows what the game would make of one."""
        self._socket.close()


def _left(until: float) -> float:
    """Seconds until then; 0 would mean a socket that never waits."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _connected(port: int, limit_s: float) -> socket.socket:
    """A connection, as soon as a game listens; ProtocolError after `limit_s`."""
    until = time.monotonic() + limit_s
    while True:
        try:
            connected = socket.create_connection((HOST, port), max(until - time.monotonic(), RETRY_S))
            if connected.getsockname() == connected.getpeername():
                connected.close()
                raise ConnectionError("the port answered itself")  # possible while nobody listens
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected
        except OSError as error:
            if time.monotonic() + RETRY_S >= until:
                raise ProtocolError(
                    f"no game listens on port {port} after {limit_s:g} s ({error}); start the game with its "
                    "plugin, or python -m btr_tm.game.standin to rehearse"
                ) from error
            time.sleep(RETRY_S)
