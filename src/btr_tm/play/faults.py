"""What a served game may do wrong: the switches of `--fault`."""

from __future__ import annotations

from dataclasses import dataclass

FAULTS = {
    "refuse": "nobody listens for telemetry",
    "silent": "takes connections and says nothing",
    "close": "hangs up, and listens again",
    "schema": "sends records of another schema",
    "noise": "sends records with a steer that is not a number",
    "map": "another map is open",
    "late": "pictures and records come every 400 ms",
    "black": "the window is black",
    "frozen": "the window shows the same picture",
    "deaf": "the driving keys do nothing",
    "respawn": "the restart key does not begin the race anew",
    "quit": "the program ends",
}


@dataclass
class Fault:
    """`kind` of FAULTS, or '' for none: from the race time `at_ms` on, for `for_s`, in `times` races."""

    kind: str = ""
    at_ms: int = 1000
    for_s: float = 2.0
    times: int = 1
    active: bool = False
    _until_s: float = 0.0
    _race: int = 0  # the last that was struck

    def look(self, race: int, clock_ms: float, now_s: float) -> None:
        """Begin or end: `race` counts the races from 1, its clock is negative in the countdown."""
        if self.active:
            self.active = now_s < self._until_s
        elif self.kind and self.times > 0 and race != self._race and clock_ms >= self.at_ms:
            self.active, self._until_s, self._race = True, now_s + self.for_s, race
            self.times -= 1

    def is_on(self, *kinds: str) -> bool:
        """Whether one of these goes on."""
        return self.active and self.kind in kinds
