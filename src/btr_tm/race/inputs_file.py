"""Races as text: `.inputs` files, one key press interval per line, replayable in the TMInterface console.

# track: a01
# physics: 1
# time_ms: 23890
# ticks: 2390
0.00-23.90 press up
1.05-1.55 press left
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.race import actions as table

TICK_MS = 10
LONGEST_TICKS = 360_000  # an hour; a longer race is taken for a typing error
PRESSES = ("up", "down", "left", "right")  # in the order of actions.KEYS

_TIME = r"(\d{1,3}:)?(\d{1,6})\.(\d{1,2})"
_PRESS = re.compile(rf"{_TIME}-{_TIME}\s+press\s+(up|down|left|right)")
_HEADER = re.compile(r"#\s*(track|physics|time_ms|ticks):\s*(.*)")


@dataclass(frozen=True, eq=False)
class InputsFile:
    """What a driver pressed. A file from elsewhere may lack its header: then track is "", numbers are 0."""

    track: str
    physics: int  # version of the simulator's physics that drove it; 0 for the game
    time_ms: int  # race time at the finish; 0 if not known
    actions: Tensor  # (T,) int64 on the CPU, action held during each tick of 10 ms

    def __post_init__(self) -> None:
        table.check_actions(self.actions)
        assert self.actions.ndim == 1, self.actions.shape

    @classmethod
    def from_actions(
        cls, actions: Tensor, ticks_per_action: int, track: str, physics: int, time_ms: int
    ) -> InputsFile:
        """From decisions (T,) that were each held for `ticks_per_action` ticks."""
        return cls(track, physics, time_ms, actions.detach().cpu().repeat_interleave(ticks_per_action))

    def to_actions(self, ticks_per_action: int) -> Tensor:
        """Decisions of `ticks_per_action` ticks; UserError if a key changes within one."""
        missing = -len(self.actions) % ticks_per_action
        whole = torch.cat((self.actions, self.actions[-1:].repeat(missing)))
        blocks = whole.view(-1, ticks_per_action)
        mixed = torch.nonzero((blocks != blocks[:, :1]).any(1))
        if len(mixed):
            at = int(mixed[0]) * ticks_per_action
            raise UserError(
                f"a key changes soon after {_seconds(at)} s, within a decision of {ticks_per_action} ticks; "
                "replay these inputs with 1 tick per action"
            )
        return blocks[:, 0].clone()

    @classmethod
    def read(cls, path: str | Path) -> InputsFile:
        """UserError with the line number if the file is missing or not an inputs file."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read an .inputs file from {path} ({error})") from error
        return parse(text, str(path))

    def write(self, path: str | Path) -> None:
        """Write the file, with its header."""
        Path(path).write_text(self.text(), encoding="utf-8", newline="\n")

    def text(self) -> str:
        """The file as text."""
        header = [
            f"# track: {self.track}",
            f"# physics: {self.physics}",
            f"# time_ms: {self.time_ms}",
            f"# ticks: {len(self.actions)}",
        ]
        held = table.keys(self.actions)
        presses = sorted(
            (first, column, last) for column in range(4) for first, last in _runs(held[:, column])
        )
        lines = [f"{_seconds(first)}-{_seconds(last)} press {PRESSES[key]}" for first, key, last in presses]
        return "\n".join(header + lines) + "\n"


def parse(text: str, source: str = "inputs") -> InputsFile:
    """Read the text of an inputs file; `source` names it in errors."""
    header: dict[str, str] = {}
    presses = []
    for number, line in enumerate(text.splitlines(), start=1):
        where, line = f"{source}, line {number}", line.strip()
        if note := _HEADER.fullmatch(line):
            header[note[1]] = _checked_header(note[1], note[2], where)
        elif line and not line.startswith("#"):
            presses.append((*_parse_press(line, where), where))
    last = max((end for _, end, _, _ in presses), default=0)
    ticks = max(last, int(header.get("ticks", 0)))
    if not ticks:
        raise UserError(f"there are no key presses in {source}; is it an .inputs file?")
    return InputsFile(
        header.get("track", ""),
        int(header.get("physics", 0)),
        int(header.get("time_ms", 0)),
        _to_rows(presses, ticks),
    )


def _checked_header(name: str, value: str, where: str) -> str:
    largest = LONGEST_TICKS if name == "ticks" else 10**12
    if name != "track" and not (re.fullmatch("[0-9]{1,13}", value) and int(value) <= largest):
        raise UserError(f"{name} must be a number up to {largest}, got {value!r} ({where})")
    return value


def _parse_press(line: str, where: str) -> tuple[int, int, int]:
    """First tick, tick of release and key of one line."""
    found = _PRESS.fullmatch(line)
    if not found:
        raise UserError(
            f"a line must read '<start>-<end> press up|down|left|right' with seconds like 1.50, "
            f"got {line[:80]!r} ({where})"
        )
    start, end = _ticks(*found.groups()[0:3]), _ticks(*found.groups()[3:6])
    if not start < end <= LONGEST_TICKS:
        raise UserError(f"a press must start before its end, within an hour, got {line!r} ({where})")
    return start, end, PRESSES.index(found[7])


def _to_rows(presses: list[tuple[int, int, int, str]], ticks: int) -> Tensor:
    """Rows of the action table per tick (T,)."""
    held = torch.zeros(ticks, len(PRESSES))
    for start, end, key, where in presses:
        held[start:end, key] = 1
        both = held[start:end, 2] * held[start:end, 3]
        if both.any():
            at = _seconds(start + int(both.argmax()))
            raise UserError(f"left and right are both held at {at} s ({where}); no action does that")
    return (held[:, None] == table.TABLE).all(2).to(torch.uint8).argmax(1)


def _runs(held: Tensor) -> list[tuple[int, int]]:
    """Start and end (exclusive) of each run of ones in (T,)."""
    edges = torch.diff(held, prepend=held.new_zeros(1), append=held.new_zeros(1))
    starts, ends = torch.nonzero(edges > 0).flatten(), torch.nonzero(edges < 0).flatten()
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _seconds(tick: int) -> str:
    return f"{tick // 100}.{tick % 100:02d}"


def _ticks(minutes: str | None, seconds: str, fraction: str) -> int:
    whole = 60 * int((minutes or "0:")[:-1]) + int(seconds)
    return 100 * whole + int(fraction.ljust(2, "0"))
