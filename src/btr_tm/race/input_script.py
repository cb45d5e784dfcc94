"""The game's input scripts, as TMInterface's console reads them: which keys are held in each tick of 10 ms.

0-1.75 press up; 0.50 press left   # from a time to a time, or from a time on
1:02.30 rel left                   # minutes
1750-2000 steer -65536             # milliseconds, where all times of the file are whole numbers

Source of the format: donadigo.com/tminterface/script-syntax and its Python client's `commandlist`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from btr_tm.core.errors import UserError
from btr_tm.core.files import short
from btr_tm.race.actions import QUARTERS, TICK_MS

LONGEST_TICKS = 360_000  # an hour; a longer race is taken for a typing error
HELD_ON_TICKS = 6_000  # keys that a script never releases stay down for another minute
NS_PER_S = 10**9
NS_PER_MS = 10**6
FULL = 65_536  # of an analog input
PRESSES = ("up", "down", "left", "right")  # in the order of actions.KEYS
ANALOG = ("gas", "steer")  # gas below 0 drives forwards, steer below 0 to the left
INPUTS = (*PRESSES, *ANALOG)
UNUSED = ("press horn", "rel horn", "set")  # do not change a race; `set` is of TMInterface's own options

_TIME = r"(?:(?:([0-9]{1,2}):)?([0-9]{1,3}):)?([0-9]{1,8})(?:\.([0-9]{1,9}))?"
_WHEN = re.compile(f"{_TIME}(?:-{_TIME})?")
_UNTIMED = re.compile("[a-z_]+")
_FORM = "a command must read '<time> press up' or '<start>-<end> press up', with up, down, left or right"


class Time(NamedTuple):
    """A point in time as it was written."""

    amount: int  # a whole number, whose unit depends on the file, or nanoseconds
    is_whole: bool


class Command(NamedTuple):
    """One command on the inputs."""

    start: Time
    end: Time | None  # where a range lets go
    input: int  # index into INPUTS
    value: int  # of a key 0 or 1; of an analog input in quarters of its way, -4 to 4
    line: int  # from 1


class Change(NamedTuple):
    """An input changes its value at the start of a tick."""

    tick: int
    order: int  # among the changes of one tick; a range lets go before anything is pressed
    input: int
    value: int
    line: int


def held_keys(text: str, source: str, ticks: int = 0) -> NDArray[np.float32]:
    """Keys (T, 4) that are held in each tick, in the order of PRESSES; T is 0 if nothing is pressed.

    1 where one is held; where the car steers by a part of the way, that part: 0.25, 0.5 or 0.75.

    T is at least `ticks`. Where that is 0 (unknown), keys which are not released stay down for a minute more.
    Raises UserError with `source` and the line.
    """
    changes = _changes(list(_commands(text, source)), source)
    length = max([ticks, *(change.tick for change in changes)])
    values = _values(changes, length + HELD_ON_TICKS)
    if ticks == 0 and values[length:].any():
        length = min(length + HELD_ON_TICKS, LONGEST_TICKS)
    values = values[:length]
    gas, steer = values[:, INPUTS.index("gas")], values[:, INPUTS.index("steer")]
    analog = np.stack([gas < 0, gas > 0, steer < 0, steer > 0], 1)
    fully = (values[:, : len(PRESSES)] > 0) | analog
    _refuse_both_ways(fully, changes, source)
    held = fully.astype(np.float32)
    by_stick = (steer != 0) & ~(values[:, 2:4] > 0).any(1)
    held[:, 2:][by_stick] *= np.abs(steer[by_stick, None]).astype(np.float32) / QUARTERS
    return held


def _commands(text: str, source: str) -> Iterator[Command]:
    for number, line in enumerate(text.split("\n"), start=1):
        for part in line.partition("#")[0].split(";"):
            words = part.lower().split()
            if words and (command := _command(words, number, f"{source}, line {number}")):
                yield command


def _command(words: Sequence[str], line: int, where: str) -> Command | None:
    """None for what does not change a race."""
    when = _WHEN.fullmatch(words[0])
    action = " ".join(words[1:] if when else words)
    if action in UNUSED or action.startswith("set "):
        return None
    if when is None:
        missing = "; the time is missing" if _UNTIMED.fullmatch(words[0]) else ""
        raise UserError(f"{_FORM}{missing}, got '{short(' '.join(words))}' ({where})")
    name, value = _action(action, where)
    parts = when.groups()
    end = _time(*parts[4:]) if parts[6] is not None else None
    return Command(_time(*parts[:4]), end, INPUTS.index(name), value, line)


def _time(hours: str | None, minutes: str | None, seconds: str, fraction: str | None) -> Time:
    if minutes is None and fraction is None:
        return Time(int(seconds), is_whole=True)
    whole = 3600 * int(hours or 0) + 60 * int(minutes or 0) + int(seconds)
    return Time(NS_PER_S * whole + int((fraction or "").ljust(9, "0")), is_whole=False)


def _action(action: str, where: str) -> tuple[str, int]:
    """The name of the input and its value."""
    verb, _, rest = action.partition(" ")
    if verb in ("press", "rel") and rest in PRESSES:
        return rest, int(verb == "press")
    if verb in ANALOG and re.fullmatch("[+-]?[0-9]{1,6}", rest):
        quarters, rest_of_way = divmod(QUARTERS * int(rest), FULL)
        if not rest_of_way and abs(quarters) in ((0, QUARTERS) if verb == "gas" else range(QUARTERS + 1)):
            return verb, quarters
        ways = (
            f"{-FULL}, 0 or {FULL}"
            if verb == "gas"
            else f"a multiple of {FULL // QUARTERS} from {-FULL} to {FULL}"
        )
        raise UserError(
            f"the simulator's car has nothing between, so {verb} must be {ways}, got {rest} ({where})"
        )
    if verb in ("press", "rel") and rest in ("enter", "delete"):
        what = "goes back to a checkpoint" if rest == "enter" else "starts again"
        raise UserError(f"'{action}' {what}, which the simulator does not have ({where})")
    raise UserError(f"{_FORM}, got '{short(action)}' ({where})")


def _changes(commands: Sequence[Command], source: str) -> list[Change]:
    """What the commands do, in order of time."""
    whole_ns = _nanoseconds_of_whole(commands, source)
    changes = []
    for order, command in enumerate(commands, start=1):
        where = f"{source}, line {command.line}"
        start = _tick(command.start, whole_ns, where)
        changes.append(Change(start, order, command.input, command.value, command.line))
        if command.end is not None:
            end = _tick(command.end, whole_ns, where)
            if end <= start:
                raise UserError(
                    f"a press must start before its end, got {_seconds(start)}-{_seconds(end)} ({where})"
                )
            changes.append(Change(end, 0, command.input, 0, command.line))
    return sorted(changes)


def _nanoseconds_of_whole(commands: Sequence[Command], source: str) -> int:
    """What a whole number counts: milliseconds, or seconds beside times with a point.

    In such company the game still reads milliseconds, and other writers mean seconds. A number which does
    not end in 0 cannot be milliseconds, since a tick lasts ten; without one of these nobody can tell.
    """
    times = [(time, command.line) for command in commands for time in (command.start, command.end) if time]
    if all(time.is_whole for time, _ in times):
        return NS_PER_MS
    wholes = [(time.amount, line) for time, line in times if time.is_whole and time.amount]
    if wholes and all(amount % TICK_MS == 0 for amount, _ in wholes):
        amount, line = wholes[0]
        raise UserError(
            f"{amount} may be seconds or milliseconds beside times with a point; "
            f"write {amount}.00 or {amount / 1000:.2f} ({source}, line {line})"
        )
    return NS_PER_S


def _tick(time: Time, whole_ns: int, where: str) -> int:
    tick, rest = divmod(time.amount * (whole_ns if time.is_whole else 1), TICK_MS * NS_PER_MS)
    if tick > LONGEST_TICKS:
        raise UserError(f"a time must lie within an hour, got {tick / 100:,.2f} s ({where})")
    if rest:
        got = f"{time.amount} ms, where all are whole numbers" if time.is_whole else "a finer one"
        raise UserError(f"a time must be a multiple of 0.01 s, got {got} ({where})")
    return tick


def _values(changes: Sequence[Change], ticks: int) -> NDArray[np.int8]:
    """Value (T, 6) of each input in each tick: that of its last change."""
    values = np.zeros((ticks, len(INPUTS)), dtype=np.int8)
    table = np.array([(0, 0, column, 0, 0) for column in range(len(INPUTS))] + list(changes))
    for column in range(len(INPUTS)):
        mine = table[table[:, 2] == column]
        latest = np.searchsorted(mine[1:, 0], np.arange(ticks), side="right")
        values[:, column] = mine[latest, 3]
    return values


def _refuse_both_ways(held: NDArray[np.bool_], changes: Sequence[Change], source: str) -> None:
    both = np.flatnonzero(held[:, 2] & held[:, 3])
    if len(both):
        line = max((each.line for each in changes if each.tick == both[0] and each.value), default=0)
        where = f"{source}, line {line}"
        raise UserError(
            f"left and right are both held at {_seconds(both[0])} s ({where}); no action does that"
        )


def _seconds(tick: int) -> str:
    return f"{tick // 100}.{tick % 100:02d}"
