"""The stand-in's side of the protocol: it listens, and stands still wherever the game does."""

from __future__ import annotations

import select
import socket
import struct
import time
from typing import NoReturn

from btr_tm.envs.tminterface.messages import (
    BY_NAME,
    LOCAL_RACE,
    MENUS,
    TABLE_VERSION,
    Decoded,
    Message,
    ProtocolError,
    Value,
    decode_fields,
    decode_number,
    encode,
    encode_fields,
)
from btr_tm.game.standin_faults import Crashed, Trouble
from btr_tm.game.standin_world import TICK_MS, StandInWorld

HOST = "127.0.0.1"
FIRST_TIMEOUT_MS = 2000
LATE_TICKS = 2  # a speed of 0 takes effect this late, unless the race was rewound in the same step
INTRO_MS = 200
READ_BYTES = 1 << 17
POLL_S = 0.05
LARGEST_PICTURE = 4096


class Gone(Exception):
    """The client has left, or was dropped: the game goes on listening."""


class StandIn:
    """A game with one race, for one client at a time; `port` 0 takes any that is free.

    `hello` is what our plugin says; a Python_Link plugin says nothing. `in_menus`: it begins without a race.
    """

    def __init__(
        self,
        world: StandInWorld,
        port: int,
        trouble: Trouble | None = None,
        hello: bool = True,
        in_menus: bool = True,
    ) -> None:
        self.world, self.trouble, self.hello = world, trouble or Trouble(), hello
        self.in_menus = in_menus
        self._listener = socket.create_server((HOST, port))
        self.port: int = self._listener.getsockname()[1]
        self._client: socket.socket | None = None
        self._stop: socket.socket | None = None
        self._came = bytearray()
        self._reset_client()

    def _reset_client(self) -> None:
        self._came.clear()
        self._timeout_ms, self._period_ms, self._speed = FIRST_TIMEOUT_MS, TICK_MS, 1.0
        self._wanted: tuple[int, int] | None = None  # width and height of a picture
        self._announced = self._rewound = self._deaf = False
        self._late_ticks = 0
        self._intro_ms = 0  # how long an intro goes on

    def serve(self, stop: socket.socket | None = None) -> None:
        """Clients one after the other, until something can be read from `stop`, or Crashed."""
        self._stop = stop
        try:
            while self._readable(self._listener, None):
                self._client, _ = self._listener.accept()
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    self._talk()
                except (Gone, OSError, ProtocolError):
                    pass  # the game goes on without a client
                finally:
                    self._client.close()
                    self._client = None
                    self._reset_client()
        finally:
            self._listener.close()

    def _readable(self, wanted: socket.socket, limit_s: float | None) -> bool:
        """Whether something can be read there before the limit, and before somebody says stop."""
        waited = [wanted] + ([self._stop] if self._stop else [])
        readable, _, _ = select.select(waited, [], [], limit_s)
        return wanted in readable and self._stop not in readable

    def _talk(self) -> None:
        if self.hello:
            version = TABLE_VERSION + 98 if self.trouble.strikes("wrong_version") else TABLE_VERSION
            state = MENUS if self.in_menus else LOCAL_RACE
            self._send(encode("HELLO", version, "stand-in", "2.2.1", state))
        self._sync("ON_CONNECT_SYNC")
        while True:
            self._frame()

    def _frame(self) -> None:
        """One turn of the game: a picture if one is wanted, then a tick unless the game stands still."""
        if self._wanted is not None:
            width, height = self._wanted
            if self._late_ticks == 0:
                self._wanted = None
                self._sync("REQUESTED_FRAME_SYNC", self.world.picture(width, height))
        if self.in_menus or (self._speed == 0 and self._late_ticks == 0):
            if self._wanted is None:
                self._idle()
            return
        self._tick()

    def _idle(self) -> None:
        """Nothing happens: only that a client leaves is noticed."""
        assert self._client is not None
        waited = [self._client] + ([self._stop] if self._stop else [])
        readable, _, _ = select.select(waited, [], [], POLL_S)
        if self._stop in readable or (readable and not self._client.recv(1, socket.MSG_PEEK)):
            raise Gone
        if readable:
            time.sleep(POLL_S)  # said while the game does not listen: it is heard later

    def _tick(self) -> None:
        world = self.world
        if not self._announced:
            self._announce()
            if not self._announced or (self._speed == 0 and self._late_ticks == 0):
                return
        if self._late_ticks:
            self._late_ticks -= 1
        self._announced = False
        if world.tick():
            self._sync("CHECKPOINT_COUNT_CHANGED_SYNC", world.checkpoints, world.target)
            if world.checkpoints == world.target and not world.taken_back:
                self.in_menus = True  # the medals are shown, and the race is over

    def _announce(self) -> None:
        """Tell the client the race time, where that is due."""
        time_ms = self.world.time_ms
        self._announced, self._rewound = True, False
        self._strike(time_ms)
        if self._intro_ms > 0:
            self._intro_ms -= TICK_MS
            self._sync("RUN_STEP_SYNC", INTRO_MS - self._intro_ms)
            self._announced = False
        elif time_ms % self._period_ms == 0 and not self._skips(time_ms):
            self._sync("RUN_STEP_SYNC", time_ms)

    def _skips(self, time_ms: int) -> bool:
        return time_ms == 0 and self.trouble.strikes("countdown")

    def _strike(self, time_ms: int) -> None:
        """The faults that have a race time."""
        trouble = self.trouble
        if trouble.strikes("silence", time_ms):
            self._until_gone()
        if trouble.strikes("crash", time_ms):
            raise Crashed
        if trouble.strikes("unknown", time_ms):
            self._send(struct.pack("<i", 77))
        if trouble.strikes("cut", time_ms):
            self._send(encode("RUN_STEP_SYNC", time_ms)[:6])
            raise Gone
        if trouble.strikes("focus", time_ms):
            self._deaf = True
            self.world.held = (False,) * 4

    def _until_gone(self) -> NoReturn:
        assert self._client is not None
        while self._client.recv(READ_BYTES):
            pass
        raise Gone

    def _sync(self, name: str, *values: Value) -> None:
        """Send a message and stand still until its number comes back, or for the timeout."""
        if name == "RUN_STEP_SYNC" and self.trouble.strikes("slow", self.world.time_ms):
            time.sleep(self.trouble.slow_s)
        self._send(encode(name, *values))
        until = time.monotonic() + self._timeout_ms / 1000
        while True:
            message, decoded = self._next(until, name)
            if message.name == name:
                return
            if message.name == "SHUTDOWN":
                raise Gone
            self._do(message.name, decoded.values)

    def _next(self, until: float, during: str) -> tuple[Message, Decoded]:
        """The client's next message; of one of our own only the number comes back."""
        where = f"while the game waits in {during}"
        while True:
            # An echo is a number that the game has sent.
            if self._came[:4] == struct.pack("<i", BY_NAME[during].number):
                del self._came[:4]
                return BY_NAME[during], Decoded((), 0)
            message = decode_number(self._came, "driver", where)
            if message is not None:
                decoded = decode_fields(message.fields, self._came, 4, 0, where)
                if decoded is not None:
                    del self._came[: 4 + decoded.size]
                    return message, decoded
            self._receive(until)

    def _receive(self, until: float) -> None:
        assert self._client is not None
        left = until - time.monotonic()
        readable = self._readable(self._client, max(left, 0))
        data = self._client.recv(READ_BYTES) if readable else b""
        if not data:
            raise Gone
        self._came += data

    def _send(self, data: bytes) -> None:
        assert self._client is not None
        self._client.sendall(data)

    def _do(self, name: str, values: tuple[Value, ...]) -> None:
        """What a message of the client asks for."""
        act = getattr(self, f"_{name.lower()}", None)
        if act is not None:
            act(*values)

    def _set_speed(self, speed: float) -> None:
        if speed == 0:
            late = not self._rewound or self.trouble.strikes("late_stop", self.world.time_ms)
            self._late_ticks = LATE_TICKS if late else 0
        self._speed = speed

    def _set_timeout(self, timeout_ms: int) -> None:
        self._timeout_ms = timeout_ms

    def _set_on_step_period(self, period_ms: int) -> None:
        if period_ms < TICK_MS or period_ms % TICK_MS:
            raise ProtocolError(f"a period of {period_ms} ms")
        self._period_ms = period_ms

    def _rewind_to_state(self, state: bytes) -> None:
        self.world.rewind(state)
        self._rewound = True

    def _rewind_to_current_state(self) -> None:
        self.world.rewind(self.world.save())
        self._rewound = True

    def _get_simulation_state(self) -> None:
        state = self.world.save()
        if self.trouble.strikes("huge_size", self.world.time_ms):
            self._send(struct.pack("<i", 2_000_000_000))
        elif self.trouble.strikes("wrong_size", self.world.time_ms):
            self._answer("GET_SIMULATION_STATE", state[:100])
        else:
            self._answer("GET_SIMULATION_STATE", state)

    def _set_input_state(self, left: int, right: int, accelerate: int, brake: int) -> None:
        if not self._deaf:
            self.world.held = (accelerate != 0, brake != 0, left != 0, right != 0)

    def _give_up(self) -> None:
        self.world.give_up()
        self._announced = False

    def _prevent_simulation_finish(self) -> None:
        self.world.taken_back = True

    def _execute_command(self, command: str) -> None:
        if command.startswith("map ") and not self.trouble.strikes("menus"):
            self.in_menus = False
            self._give_up()
            self._intro_ms = INTRO_MS if self.trouble.strikes("intro") else 0

    def _race_finished(self) -> None:
        self._answer("RACE_FINISHED", int(self.world.checkpoints == self.world.target))

    def _is_in_menus(self) -> None:
        self._answer("IS_IN_MENUS", int(self.in_menus))

    def _get_inputs(self) -> None:
        self._answer("GET_INPUTS", "")

    def _request_frame(self, width: int, height: int) -> None:
        if not (0 < width <= LARGEST_PICTURE and 0 < height <= LARGEST_PICTURE):
            raise ProtocolError(f"a picture of {width} x {height}")
        self._wanted = (width, height)

    def _unrequest_frame(self) -> None:
        self._wanted = None

    def _answer(self, name: str, *values: Value) -> None:
        self._send(encode_fields(BY_NAME[name].answer, *values))
