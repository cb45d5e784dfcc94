"""Reads telemetry in the background and keeps the newest record; connects again whenever the game hangs up.

Six things can be wrong, and each is said in a sentence of its own: nobody listens, the plugin says nothing,
it stops, it hangs up, it sends another schema, another map is open.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Literal, NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.core.files import short
from btr_tm.envs.desktop.protocols import REAL_TIME, GameLost, Reading
from btr_tm.envs.desktop.telemetry.schemas import (
    AUTO,
    LARGEST,
    SCHEMAS,
    Schema,
    refuse_unknown,
    told_apart,
)
from btr_tm.envs.desktop.telemetry.session import HOST, Session, ask

READ_BYTES = 1 << 16  # at most at once
REST_S = 0.001  # between two reads: whatever a peer sends, it is read a thousand times a second at most
ANSWER_S = 2.0  # for a connection, and for the session port
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0  # before connecting again
OTHER_MAP_S = 1.0  # without a record: the game may have opened another map meanwhile
LEAVE_S = 1.0  # for the thread to end; later it ends by itself
LAST_PORT = 65_535


class Trouble(NamedTuple):
    """What keeps records from coming."""

    kind: Literal["refused", "closed", "schema"]
    words: str


class Ended(Exception):
    """A connection is of no more use, or there is none."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.words)
        self.trouble = trouble


class SocketTelemetry:
    """`Telemetry` from a plugin that listens on `port` of this computer; close it after use.

    `schema`: one of schemas.SCHEMAS, or auto. `session_port`: where TrackmaniaRL Connect says which map is
    open, None to ask nobody. `map_id`: what the game must call the map, '' for any.
    """

    def __init__(
        self,
        schema: str,
        port: int,
        session_port: int | None,
        map_id: str,
        now: Callable[[], float] = REAL_TIME.now,
    ) -> None:
        refuse_unknown(schema)
        for name, value in (("port", port), ("session_port", session_port)):
            if value is not None and not 0 < value <= LAST_PORT:
                raise UserError(f"{name} must be from 1 to {LAST_PORT}, got {value}")
        if map_id and schema != AUTO and not (SCHEMAS[schema].tells("map_id") or session_port):
            raise UserError(
                f"telemetry of schema {schema} does not say which map is open; leave map_id empty"
            )
        self.schema, self.port, self._session_port, self._map_id = schema, port, session_port, map_id
        self._now = now
        self._news = threading.Condition()
        self._newest: Reading | None = None
        self._trouble: Trouble | None = self._refused()  # since the last record
        self._number = self.connections = 0
        self._link: socket.socket | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def latest(self) -> Reading:
        """As `Telemetry.latest`."""
        with self._news:
            return self._checked(self._newest, 0.0)

    def after(self, number: int, limit_s: float) -> Reading:
        """As `Telemetry.after`; at once where waiting does not help."""
        with self._news:
            self._news.wait_for(lambda: self._has(number) or self._is_hopeless(), limit_s)
            return self._checked(self._newest if self._has(number) else None, limit_s)

    def close(self) -> None:
        """As `Telemetry.close`."""
        self._stopped.set()
        with self._news:
            if self._link is not None:
                with suppress(OSError):  # it may have ended by itself
                    self._link.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._thread.join(LEAVE_S)

    def _has(self, number: int) -> bool:
        return self._newest is not None and self._newest.number > number

    def _is_hopeless(self) -> bool:
        return self._trouble is not None and self._trouble.kind == "schema"

    def _checked(self, reading: Reading | None, waited_s: float) -> Reading:
        """A record that can be used; GameLost with what is wrong."""
        if self._trouble is not None:
            raise GameLost(self._trouble.words)
        if reading is None and self._newest is None:
            raise GameLost(
                f"the game takes connections on port {self.port} but says nothing; start to drive, and "
                "end other programs that read its telemetry"
            )
        if reading is None:
            raise GameLost(
                f"the telemetry stalled, no record came for {waited_s:.1f} s; is the game paused, "
                "or the map left?"
            )
        if self._map_id and reading.map_id is None:
            raise GameLost(
                "this telemetry does not say which map is open; leave env.game.telemetry.map_id empty"
            )
        if self._map_id and reading.map_id != self._map_id:
            raise GameLost(
                f"the game drives {f'the map {reading.map_id}' if reading.map_id else 'no map'}, and not "
                f"{short(self._map_id)}; open that one"
            )
        return reading

    def _run(self) -> None:
        """Connect again and again until stopped; the pause grows while no record comes."""
        pause_s = FIRST_PAUSE_S
        while not self._stopped.is_set():
            before = self._number
            try:
                self._read()
            except Ended as end:
                self._tell(end.trouble)
            self._stopped.wait(pause_s)
            pause_s = FIRST_PAUSE_S if self._number > before else min(2 * pause_s, LONGEST_PAUSE_S)

    def _tell(self, trouble: Trouble) -> None:
        """It is said until the next record; that nobody listens any more says less than what came before."""
        with self._news:
            self._link = None
            if self._trouble is None or trouble.kind != "refused":
                self._trouble = trouble
            self._news.notify_all()

    def _read(self) -> None:
        """One connection, to its end."""
        with self._connected() as link:
            with self._news:
                self._link, self.connections = link, self.connections + 1
                if self._trouble is not None and self._trouble.kind == "refused":
                    self._trouble = None
            if self._stopped.is_set():
                return
            pieces = self._pieces(link)
            head = b""
            while len(head) < LARGEST:
                head += next(pieces)
            session = self._ask()
            schema = told_apart(head[:LARGEST], self.schema, session is not None)
            if not isinstance(schema, Schema):
                raise Ended(self._wrong(schema))
            self.schema = schema.name  # no reader changes it: a race counts on what a record says
            self._keep(schema, head, pieces, session)

    def _ask(self) -> Session | None:
        return ask(self._session_port, ANSWER_S) if self._session_port else None

    def _connected(self) -> socket.socket:
        try:
            link = socket.create_connection((HOST, self.port), ANSWER_S)
            if link.getsockname() == link.getpeername():
                link.close()
                raise ConnectionError("the port answered itself")  # possible while nobody listens
        except OSError:
            raise Ended(self._refused()) from None
        link.settimeout(None)
        return link

    def _pieces(self, link: socket.socket) -> Iterator[bytes]:
        """What comes, until the peer hangs up."""
        while True:
            try:
                data = link.recv(READ_BYTES)
            except OSError:
                data = b""
            if not data:
                words = (
                    f"the game closed the connection on port {self.port}; was the plugin reloaded, or "
                    "the map left?"
                )
                raise Ended(Trouble("closed", words))
            yield data
            self._stopped.wait(REST_S)

    def _keep(self, schema: Schema, came: bytes, pieces: Iterator[bytes], session: Session | None) -> None:
        """The newest record of each piece, until there are no more."""
        size, heard_s = schema.row.size, self._now()
        while True:
            if count := len(came) // size:
                now_s = self._now()
                if now_s - heard_s > OTHER_MAP_S and session is not None:
                    session = self._ask()
                heard_s = now_s
                record, came = came[(count - 1) * size : count * size], came[count * size :]
                if fault := schema.fault(record):
                    raise Ended(self._wrong(f"what comes is not {schema.name}, as {fault}"))
                map_id = session.map_id if session is not None else None
                self._put(schema.reading(record, self._number + count, now_s, map_id))
            came += next(pieces)

    def _put(self, reading: Reading) -> None:
        with self._news:
            self._newest, self._number, self._trouble = reading, reading.number, None
            self._news.notify_all()

    def _refused(self) -> Trouble:
        return Trouble(
            "refused",
            f"no game listens on port {self.port}; start the game, and load its telemetry plugin in "
            "Openplanet (F3)",
        )

    def _wrong(self, reason: str) -> Trouble:
        return Trouble(
            "schema", f"on port {self.port} {reason}; choose that of the plugin with env/telemetry="
        )
