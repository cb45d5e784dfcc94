"""The plugin's side of telemetry: listens as one of them does, and sends records to one client at a time."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.telemetry.reader import LAST_PORT
from btr_tm.envs.desktop.telemetry.schemas import Schema, Value
from btr_tm.envs.desktop.telemetry.session import HOST, LONGEST

PATIENCE_S = 2.0  # for a question at the session port, as the plugin has
READ_BYTES = 4096
PROTOCOL = "2"  # of the session port
COMMANDS = ("verify_loaded_map", "confirm_ready")


class TelemetryServer:
    """Listens on `port`, and on a `session_port` unless None, any that is free for 0; close it after use."""

    def __init__(self, schema: Schema, port: int, session_port: int | None = None, map_id: str = "") -> None:
        self.schema, self.map_id = schema, map_id  # '' where no map is open
        self._listeners = [listening(number) for number in (port, session_port) if number is not None]
        self.port: int = self._listeners[0].getsockname()[1]
        self.session_port: int | None = (
            self._listeners[1].getsockname()[1] if session_port is not None else None
        )
        self.clients = 0  # who came so far
        self._client: socket.socket | None = None
        self._changed = threading.Condition()
        self._stirred, self._stir = socket.socketpair()  # what wakes the thread
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="telemetry server", daemon=True)
        self._thread.start()

    def send(self, values: Mapping[str, Value]) -> None:
        """One record to the client, if there is one; a client that reads too slowly is left."""
        self.send_bytes(self.schema.record(values))

    def send_bytes(self, data: bytes) -> None:
        """The same of anything else."""
        with self._changed:
            if self._client is not None:
                try:
                    self._client.sendall(data)
                except OSError:
                    self._leave()

    def await_client(self, number: int, limit_s: float) -> bool:
        """Whether so many have come within `limit_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: self.clients >= number, limit_s)

    def hang_up(self) -> None:
        """Close the connection to the client, and listen for the next one."""
        with self._changed:
            self._leave()

    def close(self) -> None:
        """Listen no more."""
        self._closing = True
        self._stir.send(b"x")
        self._thread.join()
        self.hang_up()
        for each in (*self._listeners, self._stir, self._stirred):
            each.close()

    def _leave(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
            self._stir.send(b"x")

    def _run(self) -> None:
        """Whoever comes while another is served waits, as with the real plugins."""
        listener, sessions = self._listeners[0], self._listeners[1:]
        while True:
            client = self._client
            try:
                ready, _, _ = select.select([client or listener, *sessions, self._stirred], [], [])
            except (OSError, ValueError):  # the client was closed just now
                continue
            if self._stirred in ready:
                self._stirred.recv(READ_BYTES)
                if self._closing:
                    return
                continue  # the client may be another
            for each in ready:
                with suppress(OSError):  # who left before being let in
                    if each is client:
                        self._hear(client)
                    else:
                        link, _ = each.accept()
                        self._welcome(link) if each is listener else self._answer(link)

    def _hear(self, client: socket.socket) -> None:
        """Clients say nothing, but one day that they leave."""
        if not client.recv(READ_BYTES):
            with self._changed:
                if self._client is client:
                    self._leave()

    def _welcome(self, link: socket.socket) -> None:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.settimeout(PATIENCE_S)
        with self._changed:
            self._client = link
            self.clients += 1
            self._changed.notify_all()

    def _answer(self, link: socket.socket) -> None:
        """One line for one line; found by parts of the text, as the plugin does it."""
        with link:
            link.settimeout(PATIENCE_S)
            came = b""
            while b"\n" not in came and len(came) < LONGEST and (data := link.recv(LONGEST)):
                came += data
            link.sendall(json.dumps(self._said(came)).encode() + b"\n")

    def _said(self, question: bytes) -> dict[str, str]:
        if len(question) >= LONGEST or b"\n" not in question:
            error = "invalid_or_too_large_request"
        elif f'"protocol_version":"{PROTOCOL}"'.encode() not in question:
            error = "unsupported_protocol"
        elif not any(f'"command":"{name}"'.encode() in question for name in COMMANDS):
            error = "unknown_command"
        elif not self.map_id:
            error = "no_local_map_loaded"
        else:
            return {"status": "ok", "protocol_version": PROTOCOL, "map_uid": self.map_id, "ready": "true"}
        return {"status": "error", "protocol_version": PROTOCOL, "error": error}


def listening(port: int) -> socket.socket:
    """A socket that listens to programs of this computer; UserError if the port is taken, or none."""
    if not 0 <= port <= LAST_PORT:
        raise UserError(f"a port must be from 0 to {LAST_PORT}, got {port}")
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise UserError(f"cannot listen on port {port} ({error}); choose another") from error
