"""Races as a table of keys: one row per decision, the action it takes and, for people, the keys it holds.

time_ms,action,keys
0,1,up left
50,0,up
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.files import short
from btr_tm.race import actions as table
from btr_tm.race.input_script import LONGEST_TICKS, PRESSES

HEADING = "time_ms,action,keys"
_ROW = re.compile(r"([0-9]{1,7})\s*,\s*([0-9]{1,2})\s*(?:,([a-z ]*))?")


def rows_of(decisions: Tensor, ticks_per_action: int) -> list[str]:
    """The table of decisions (D,) that were each held for `ticks_per_action` ticks."""
    period_ms = ticks_per_action * table.TICK_MS
    rows = [f"{period_ms * i},{row},{KEYS_OF[row]}" for i, row in enumerate(decisions.tolist())]
    return [HEADING, *rows]


def is_table(text: str) -> bool:
    """Whether the first line that says something is the heading of a table."""
    told = (line for line in text.split("\n") if line.partition("#")[0].strip())
    return next(told, "").lower().replace(" ", "").startswith("time_ms,action")


def actions_in(text: str, source: str, ticks: int = 0) -> Tensor:
    """Action (T,) int64 held during each tick: that of the last row until then.

    T is `ticks`; where that is 0 (unknown), the last row lasts as long as the one before. Raises UserError
    with `source` and the line.
    """
    told = [(number, line.partition("#")[0].strip()) for number, line in enumerate(text.split("\n"), 1)]
    lines = [(number, line) for number, line in told if line][1:]
    rows = [_row(line, f"{source}, line {number}") for number, line in lines]
    if not rows:
        raise UserError(f"there are no rows below the heading of the table in {source}")
    _refuse_disorder([row[0] for row in rows], [number for number, _ in lines], source)
    starts = torch.tensor([row[0] for row in rows])
    last = int(starts[-1] - starts[-2]) if len(rows) > 1 else 1
    lengths = torch.diff(starts, append=torch.tensor([ticks or int(starts[-1]) + last]))
    if lengths[-1] <= 0:
        raise UserError(
            f"the race has {ticks} ticks of {table.TICK_MS} ms, and the table goes on after it ({source})"
        )
    return torch.tensor([row[1] for row in rows]).repeat_interleave(lengths)


def _row(line: str, where: str) -> tuple[int, int]:
    """Tick and action."""
    found = _ROW.fullmatch(line.lower())
    if found is None:
        raise UserError(f"a row must read '<time_ms>,<action>,<keys>' as in '50,1,up left', "
                        f"got '{short(line)}' ({where})")  # fmt: skip
    time_ms, action = int(found[1]), int(found[2])
    if time_ms % table.TICK_MS or time_ms >= LONGEST_TICKS * table.TICK_MS:
        raise UserError(f"a time must be a multiple of 10 ms within an hour, got {time_ms} ({where})")
    if action >= table.ALL:
        raise UserError(f"actions must be from 0 to {table.ALL - 1}, got {action} ({where})")
    keys = (found[3] or "").split()
    if keys and keys != KEYS_OF[action].split():
        held = KEYS_OF[action] or "no key"
        raise UserError(
            f"action {action} holds {held}, got '{' '.join(keys)}' ({where}); mend one of the two"
        )
    return time_ms // table.TICK_MS, action


def _refuse_disorder(starts: Sequence[int], lines: Sequence[int], source: str) -> None:
    if starts[0] != 0:
        raise UserError(f"the first row must be at 0 ms, got {starts[0] * table.TICK_MS} "
                        f"({source}, line {lines[0]})")  # fmt: skip
    for before, start, line in zip(starts, starts[1:], lines[1:], strict=False):
        if start <= before:
            raise UserError(f"the rows must be in the order of their times, got {start * table.TICK_MS} ms "
                            f"after {before * table.TICK_MS} ms ({source}, line {line})")  # fmt: skip


def _names(row: Sequence[float]) -> str:
    ways = {table.QUARTER: "quarter ", table.HALF: "half ", table.THREE_QUARTERS: "three quarters ", 1.0: ""}
    return " ".join(ways[held] + name for name, held in zip(PRESSES, row, strict=True) if held)


KEYS_OF = tuple(
    _names(row) for row in table.ALL_ROWS.tolist()
)  # of each action, as the game's scripts name them
