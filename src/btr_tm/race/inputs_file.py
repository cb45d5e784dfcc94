"""Races as text: `.inputs` files, one key press interval per line, replayable in the TMInterface console.

They can also be written as events (press, rel) and as a table of keys, and are read from all three.

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
from btr_tm.core.files import MIB, read_text, short, write_atomic
from btr_tm.race import actions as table
from btr_tm.race import key_table
from btr_tm.race.input_script import FULL, LONGEST_TICKS, PRESSES, held_keys

TEXT_BYTES = 2 * MIB  # an hour in which a key changes every 50 ms

_HEADER = re.compile(r"#\s*(track|physics|time_ms|ticks|half_width_m):\s*(.*)")


@dataclass(frozen=True, eq=False)
class InputsFile:
    """What a driver pressed. A file from elsewhere may lack its header: then track is "", numbers are 0."""

    track: str
    physics: int  # version of the simulator's physics that drove it; 0 for the game
    time_ms: int  # race time at the finish; 0 if not known
    actions: Tensor  # (T,) int64 on the CPU, action held during each tick of 10 ms
    half_width_m: float = 0.0  # of the road, where the track is a reference line

    def __post_init__(self) -> None:
        table.check_actions(self.actions, table.ALL)
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
                "take decisions of 1 tick (--ticks 1 of python -m btr_tm.inputs)"
            )
        return blocks[:, 0].clone()

    @classmethod
    def read(cls, path: str | Path) -> InputsFile:
        """UserError with the line number if the file is missing or not an inputs file."""
        return parse(read_text(path, TEXT_BYTES), str(path))

    def write(self, path: str | Path) -> None:
        """Write the file, with its header."""
        write_atomic(Path(path), self.text().encode())

    def text(self) -> str:
        """The file as text: from when to when each key is held."""
        presses = sorted((first, key, last) for key, first, last in self._presses())
        lines = [f"{_seconds(first)}-{_seconds(last)} press {PRESSES[key]}" for first, key, last in presses]
        turns = [f"{_seconds(first)}-{_seconds(last)} steer {steer}" for steer, first, last in self._turns()]
        return "\n".join(self._header() + lines + turns) + "\n"

    def events_text(self) -> str:
        """The same as events: when each key is pressed and released."""
        starts = ((first, 1, key, f"press {PRESSES[key]}") for key, first, _ in self._presses())
        ends = ((last, 0, key, f"rel {PRESSES[key]}") for key, _, last in self._presses())
        turns = ((first, 1, len(PRESSES), f"steer {steer}") for steer, first, _ in self._turns())
        straight = ((last, 0, len(PRESSES), "steer 0") for _, _, last in self._turns())
        # Of those in one tick, what is released comes first.
        events = sorted([*starts, *ends, *turns, *straight])
        lines = [f"{_seconds(tick)} {what}" for tick, _, _, what in events]
        return "\n".join(self._header() + lines) + "\n"

    def keys_text(self, ticks_per_action: int) -> str:
        """The same as a table of keys, a row per decision; UserError if a key changes within one."""
        rows = key_table.rows_of(self.to_actions(ticks_per_action), ticks_per_action)
        return "\n".join(self._header() + rows) + "\n"

    def _header(self) -> list[str]:
        header = [
            f"# track: {self.track}",
            f"# physics: {self.physics}",
            f"# time_ms: {self.time_ms}",
            f"# ticks: {len(self.actions)}",
        ]
        if self.half_width_m:
            header.append(f"# half_width_m: {self.half_width_m:.9f}".rstrip("0").rstrip("."))
        return header

    def _presses(self) -> list[tuple[int, int, int]]:
        """Key (column of PRESSES), first tick and tick past the last of each press."""
        held = (table.keys(self.actions) == 1).float()
        return [(key, first, last) for key in range(4) for first, last in _runs(held[:, key])]

    def _turns(self) -> list[tuple[int, int, int]]:
        """Steer as a script has it, first tick and tick past the last, where it is a part of the way."""
        keys = table.keys(self.actions)
        found = [
            (first, round(sign * part * FULL), last)
            for key, sign in ((2, -1), (3, 1))
            for part in table.PARTS
            for first, last in _runs((keys[:, key] == part).float())
        ]
        return [(steer, first, last) for first, steer, last in sorted(found)]


def parse(text: str, source: str = "inputs") -> InputsFile:
    """Read the text of an inputs file; `source` names it in errors."""
    header: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if note := _HEADER.fullmatch(line.strip()):
            header[note[1]] = _checked_header(note[1], note[2], f"{source}, line {number}")
    ticks = int(header.get("ticks", 0))
    if key_table.is_table(text):
        actions = key_table.actions_in(text, source, ticks)
    else:
        actions = table.rows(torch.from_numpy(held_keys(text, source, ticks)))
    if not len(actions):
        raise UserError(f"there are no key presses in {source}; is it an .inputs file?")
    return InputsFile(
        header.get("track", ""),
        int(header.get("physics", 0)),
        int(header.get("time_ms", 0)),
        actions,
        float(header.get("half_width_m", 0)),
    )


def _checked_header(name: str, value: str, where: str) -> str:
    largest = {"ticks": LONGEST_TICKS, "half_width_m": 100}.get(name, 10**12)
    form = r"[0-9]{1,3}(\.[0-9]{1,9})?" if name == "half_width_m" else "[0-9]{1,13}"
    if name != "track" and not (re.fullmatch(form, value) and float(value) <= largest):
        raise UserError(f"{name} must be a number up to {largest}, got {short(repr(value))} ({where})")
    return value


def _runs(held: Tensor) -> list[tuple[int, int]]:
    """Start and end (exclusive) of each run of ones in (T,)."""
    edges = torch.diff(held, prepend=held.new_zeros(1), append=held.new_zeros(1))
    starts, ends = torch.nonzero(edges > 0).flatten(), torch.nonzero(edges < 0).flatten()
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _seconds(tick: int) -> str:
    return f"{tick // 100}.{tick % 100:02d}"
