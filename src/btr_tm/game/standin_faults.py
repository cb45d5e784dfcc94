"""What a game may do wrong: the switches of the stand-in."""

from __future__ import annotations

from dataclasses import dataclass

FAULTS = {
    "silence": "says nothing more, the connection stays",
    "slow": "every message takes seconds",
    "wrong_size": "a saved state of 100 bytes",
    "huge_size": "a length of two billion bytes",
    "cut": "closes in the middle of a message",
    "unknown": "a message that nobody knows",
    "wrong_version": "a plugin for another table of messages",
    "focus": "the window loses the focus: keys are not heard",
    "late_stop": "the game stops two ticks late",
    "countdown": "the race is never announced at 0 ms",
    "intro": "race times from 0 on before the countdown; no fault, but to be waited for",
    "menus": "the map that was asked for is not opened",
    "crash": "the program ends",
}


class Crashed(Exception):
    """The game is gone."""


@dataclass
class Trouble:
    """`kind` of FAULTS, or "" for none; strikes `times` times, at a race time of `at_ms` where it has one."""

    kind: str = ""
    at_ms: int = 1000
    times: int = 1
    slow_s: float = 5.0

    def strikes(self, kind: str, time_ms: int | None = None) -> bool:
        """Whether it is time for `kind`, which then counts."""
        if kind != self.kind or self.times < 1 or (time_ms is not None and time_ms < self.at_ms):
            return False
        self.times -= 1
        return True
