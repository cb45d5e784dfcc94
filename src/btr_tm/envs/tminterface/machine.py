"""How a race is driven, as conversations with the game: bytes in, bytes out, no socket and no clock.

A conversation is a generator: it yields the bytes to send whenever it needs more, and is sent those that
came. It ends with what was to be found out, or with a ProtocolError that names the message and what we were
doing.
Between two conversations the game stands still and waits for us.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, TypeVar

from btr_tm.core.errors import UserError
from btr_tm.envs.tminterface.messages import (
    BY_NAME,
    MENUS,
    TABLE_VERSION,
    Message,
    ProtocolError,
    Value,
    decode_fields,
    decode_number,
    encode,
)
from btr_tm.envs.tminterface.simstate import without_finish
from btr_tm.race.actions import TICK_MS

MOST_MESSAGES = 20_000  # before a race has begun: more than any countdown
MOST_RESTARTS = 3  # by giving up, if a countdown is missed
Result = TypeVar("Result")
Talk = Generator[bytes, bytes, Result]
Keys = Sequence[int]  # accelerate, brake, left, right: 0 or 1


@dataclass(frozen=True)
class Settings:
    """What is asked of the game; sizes in pixels, no picture where they are 0."""

    map: str  # path below Tracks/Challenges; "" drives what is open
    running_speed: float  # times real time
    decision_ticks: int
    period_ms: int  # between two race times that the game announces: a decision, or a tick of a block
    width: int
    height: int
    camera: int  # as the keys 1 to 3; 2 is the one behind the car that does not swing
    idle_s: float  # how long the game waits for us before it goes on without
    commands: tuple[str, ...] = ()  # of the console, after connecting

    def __post_init__(self) -> None:
        if self.decision_ticks < 1:
            raise UserError(f"env.ticks_per_action must be 1 or larger, got {self.decision_ticks}")
        for name, most in (("running_speed", 1000), ("idle_s", 4_000_000)):
            if not 0 < getattr(self, name) <= most:
                raise UserError(
                    f"env.{name} must be more than 0 and at most {most:,}, got {getattr(self, name)}"
                )

    @property
    def decision_ms(self) -> int:
        return TICK_MS * self.decision_ticks


class Hello(NamedTuple):
    """What our plugin says about itself; empty for a Python_Link plugin."""

    table: int = TABLE_VERSION
    plugin: str = ""
    game: str = ""
    game_state: int = MENUS


class Moment(NamedTuple):
    """Where a decision is due: the game stands still."""

    time_ms: int
    state: bytes
    pixels: bytes  # BGRA, row by row; empty without pictures


class Finish(NamedTuple):
    """The finish line was crossed; the game stands still."""

    state: bytes


class Heard(NamedTuple):
    """A message of the game with its fields."""

    message: Message
    values: tuple[Value, ...]

    @property
    def name(self) -> str:
        return self.message.name

    def number(self, field: int = 0) -> int:
        """An int32 field."""
        value = self.values[field]
        assert isinstance(value, int), self
        return value


class Machine:
    """One connection with the game, whatever carries it. Use a new one for each connection."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.hello = Hello()
        self.doing = "before it said hello"
        self._came, self._to_send = bytearray(), bytearray()
        self._waiting: Message | None = None  # in which the game stands still
        self._frame_bytes = 0  # of the picture that was asked for
        self._start: bytes | None = None  # state of the race at 0 ms
        self._time_ms = 0  # of the last decision
        self._held: Keys = (0, 0, 0, 0)
        self._map_asked = self._restarted = self._counted_down = False
        self._countdown_ms = 0  # of the last step of a countdown
        self._restarts = 0

    def take_output(self) -> bytes:
        """What is still to be sent when a conversation has ended."""
        sent, self._to_send = bytes(self._to_send), bytearray()
        return sent

    def connect(self) -> Talk[Hello]:
        """From the first byte until the game knows what we want."""
        self.doing = "while connecting"
        while (heard := (yield from self._next())).name != "ON_CONNECT_SYNC":
            if heard.name == "HELLO":
                self._greet(heard)
            elif heard.name in ("RUN_STEP_SYNC", "CHECKPOINT_COUNT_CHANGED_SYNC", "LAP_COUNT_CHANGED_SYNC"):
                self._echo()  # of a race that goes on behind the menus
            else:
                self._refuse(heard)
        # First of all: until then the game goes on without us after two seconds.
        self._say("SET_TIMEOUT", round(1000 * self.settings.idle_s))
        self._say("SET_SPEED", 1.0)
        self._say("SET_ON_STEP_PERIOD", self.settings.period_ms)
        for command in self.settings.commands:
            self._say("EXECUTE_COMMAND", command)
        (in_menus,) = yield from self._ask("IS_IN_MENUS")
        if in_menus:
            if not self.settings.map:
                raise ProtocolError("the game shows its menus, and no map is named: set env.map, or open one")
            self._ask_for_map()
        self._echo()
        return self.hello

    def begin(self) -> Talk[Moment]:
        """A new race, until its first decision at 0 ms; the first countdown is waited for, later ones not."""
        self.doing = "while a race begins"
        if self._waiting is not None:
            self._go_on()
        for _ in range(MOST_MESSAGES):
            heard = yield from self._next()
            if heard.name == "RUN_STEP_SYNC":
                state = yield from self._to_start(heard.number())
                if state is not None:
                    self._time_ms, self._held = 0, (0, 0, 0, 0)
                    return (yield from self._show(state))
            elif heard.name == "CHECKPOINT_COUNT_CHANGED_SYNC":
                if heard.number(0) == heard.number(1):
                    self._say("PREVENT_SIMULATION_FINISH")
            elif heard.name != "LAP_COUNT_CHANGED_SYNC":
                self._refuse(heard)
            self._echo()
        raise ProtocolError(f"no race has begun after {MOST_MESSAGES:,} messages of the game")

    def decide(self, actions: Sequence[Keys]) -> Talk[Moment | Finish]:
        """Hold the keys of one action until the next decision, or those of one action per tick."""
        began, until = self._time_ms, self._time_ms + self.settings.decision_ms
        self.doing = f"on the way from {began:,} ms to {until:,} ms"
        self._press(actions[0])
        self._go_on()
        while True:
            heard = yield from self._next()
            if heard.name == "RUN_STEP_SYNC":
                time_ms = heard.number()
                if time_ms == until:
                    self._time_ms = until
                    (state,) = yield from self._ask("GET_SIMULATION_STATE")
                    assert isinstance(state, bytes)
                    return (yield from self._show(state))
                if not began <= time_ms < until:
                    self._refuse(heard, f": the race is at {time_ms:,} ms")
                if time_ms > began and len(actions) > 1:
                    self._press(actions[(time_ms - began) // TICK_MS])
            elif heard.name == "CHECKPOINT_COUNT_CHANGED_SYNC":
                current, target = heard.number(0), heard.number(1)
                if not 0 <= current <= target:
                    self._refuse(heard, f": {current} of {target} checkpoints")
                if current == target:
                    return (yield from self._finish())
            elif heard.name != "LAP_COUNT_CHANGED_SYNC":
                self._refuse(heard)
            self._echo()

    def leave(self) -> Talk[None]:
        """The game goes on by itself, at normal speed and with its interface."""
        self.doing = "while leaving"
        self._say("SET_SPEED", 1.0)
        self._say("TOGGLE_INTERFACE", 1)
        self._say("SHUTDOWN")
        self._waiting = None
        yield self.take_output()

    def _greet(self, heard: Heard) -> None:
        self.hello = Hello(*heard.values)  # type: ignore[arg-type]
        if self.hello.table != TABLE_VERSION:
            raise ProtocolError(
                f"the plugin {self.hello.plugin!r} in the game speaks version {self.hello.table} of the "
                f"protocol, this version of btr_tm speaks {TABLE_VERSION}; python -m btr_tm.game install "
                "replaces it"
            )

    def _ask_for_map(self) -> None:
        name = self.settings.map
        self._say("EXECUTE_COMMAND", f'map "{name}"' if " " in name else f"map {name}")
        self._map_asked = self._restarted = True

    def _to_start(self, time_ms: int) -> Talk[bytes | None]:
        """The state at the start line, where the game then is; None if it is not there yet."""
        if self._start is not None:
            self._say("REWIND_TO_STATE", self._start)
        elif self.settings.map and not self._map_asked:
            self._ask_for_map()
        elif not self._restarted:
            self._give_up()
        elif time_ms < 0:
            self._count_down(time_ms)
        elif self._counted_down and time_ms == 0:
            (state,) = yield from self._ask("GET_SIMULATION_STATE")
            assert isinstance(state, bytes)
            self._start = state
        elif self._counted_down:
            self._give_up()
        return self._start

    def _count_down(self, time_ms: int) -> None:
        """At the first step of each countdown the picture is set up: a map that was loaded has its own."""
        if not self._counted_down or time_ms < self._countdown_ms:
            self._say("EXECUTE_COMMAND", f"cam {self.settings.camera}")
            self._say("TOGGLE_INTERFACE", 0)
        self._counted_down, self._countdown_ms = True, time_ms

    def _give_up(self) -> None:
        """The race begins anew with a countdown; a race in front of it, such as an intro, has none."""
        self._restarts += 1
        if self._restarts > MOST_RESTARTS:
            raise ProtocolError(f"a race was begun anew {MOST_RESTARTS} times without being seen at 0 ms")
        self._say("GIVE_UP")
        self._restarted, self._counted_down = True, False

    def _press(self, keys: Keys) -> None:
        accelerate, brake, left, right = self._held = keys
        if self._waiting is not None and self._waiting.name == "RUN_STEP_SYNC":
            self._say("REWIND_TO_CURRENT_STATE")  # to set inputs within a tick is safe after a rewind only
        self._say("SET_INPUT_STATE", left, right, accelerate, brake)

    def _show(self, state: bytes) -> Talk[Moment]:
        """The moment with its picture, if there is one: taken while the game stands still."""
        settings, time_ms = self.settings, self._time_ms
        if not settings.width:
            return Moment(time_ms, state, b"")
        self.doing = f"waiting for the picture at {time_ms:,} ms"
        self._press(self._held)  # a speed of 0 works at once only after a rewind, which drops the keys
        self._say("SET_SPEED", 0.0)
        self._say("SET_ON_STEP_PERIOD", TICK_MS)  # a game that does not stop then says so
        self._say("RESET_CAMERA")  # it is smoothed over wall time
        self._frame_bytes = 4 * settings.width * settings.height
        self._say("REQUEST_FRAME", settings.width, settings.height)
        self._echo()
        while (heard := (yield from self._next())).name != "REQUESTED_FRAME_SYNC":
            if heard.name != "RUN_STEP_SYNC" or heard.number() != time_ms:
                self._refuse(heard, ": the game did not stop in time")
            self._echo()
        self._frame_bytes = 0
        self._say("SET_ON_STEP_PERIOD", self.settings.period_ms)
        pixels = heard.values[0]
        assert isinstance(pixels, bytes)
        return Moment(time_ms, state, pixels)

    def _finish(self) -> Talk[Finish]:
        """Take the finish back at once: the game must not leave the race."""
        (state,) = yield from self._ask("GET_SIMULATION_STATE")
        assert isinstance(state, bytes)
        edited = without_finish(state)
        if edited is None:
            self._say("PREVENT_SIMULATION_FINISH")
        else:
            self._say("REWIND_TO_STATE", edited)
        return Finish(state)

    def _go_on(self) -> None:
        self._say("SET_SPEED", float(self.settings.running_speed))
        self._echo()

    def _echo(self) -> None:
        """The game goes on."""
        assert self._waiting is not None, self.doing
        self._say(self._waiting.name, number_only=True)
        self._waiting = None

    def _say(self, name: str, *values: Value, number_only: bool = False) -> None:
        if number_only:
            self._to_send += BY_NAME[name].number.to_bytes(4, "little")
        else:
            self._to_send += encode(name, *values)

    def _refuse(self, heard: Heard, why: str = "") -> NoReturn:
        raise ProtocolError(f"{heard.name} {list(heard.values)} came {self.doing}{why}")

    def _more(self) -> Talk[None]:
        self._came += yield self.take_output()

    def _next(self) -> Talk[Heard]:
        """The next message of the game; it then stands still if the message says so."""
        while (message := decode_number(self._came, "game", self.doing)) is None:
            yield from self._more()
        if message.name == "REQUESTED_FRAME_SYNC" and not self._frame_bytes:
            raise ProtocolError(f"REQUESTED_FRAME_SYNC came {self.doing}, though nobody asked for a picture")
        where = f"in {message.name} {self.doing}"
        while (decoded := decode_fields(message.fields, self._came, 4, self._frame_bytes, where)) is None:
            yield from self._more()
        del self._came[: 4 + decoded.size]
        if message.name == "SHUTDOWN":
            raise ProtocolError(f"the plugin in the game shut down {self.doing}")
        if message.waits:
            self._waiting = message
        return Heard(message, decoded.values)

    def _ask(self, name: str) -> Talk[tuple[Value, ...]]:
        """The answer to a question; nothing else comes before it, since the game stands still."""
        self._say(name)
        where = f"in the answer to {name} {self.doing}"
        fields = BY_NAME[name].answer
        while (decoded := decode_fields(fields, self._came, 0, 0, where)) is None:
            yield from self._more()
        del self._came[: decoded.size]
        return decoded.values
