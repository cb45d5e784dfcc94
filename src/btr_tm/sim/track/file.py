"""Track files: what their YAML says, checked entry by entry; every error names file and block."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.core.files import short
from btr_tm.sim.track.blocks import Block, Style, make_block
from btr_tm.sim.track.shapes import STEP_M

MOST_BLOCKS = 1_000
MOST_LAPS = 100
LONGEST_M = 30_000.0  # of road; the time to look for places where it meets itself grows with the square


class TrackFile(NamedTuple):
    """A track as its author wrote it."""

    blocks: list[Block]
    closed: bool
    laps: int
    description: str


def parse_content(content: object, source: str) -> TrackFile:
    """Check `content`, a list of blocks or a mapping with the key `blocks`; `source` names it in errors."""
    keys = {"blocks": content} if isinstance(content, list) else content
    entries = keys.get("blocks") if isinstance(keys, dict) else None
    if not isinstance(keys, dict) or not isinstance(entries, list) or not entries:
        raise UserError(
            f"{source} must be a list of blocks, such as `- start`, or have a key `blocks` with that list"
        )
    if len(entries) > MOST_BLOCKS:
        raise UserError(f"{source}: a track has at most {MOST_BLOCKS:,} blocks, got {len(entries):,}")
    style = _default_style(keys, source)
    blocks = _parse_all(entries, style, source)
    closed = _check_gates(blocks, source)
    most = MOST_LAPS if closed else 1
    laps = keys.get("laps", 1)
    if not isinstance(laps, int) or isinstance(laps, bool) or not 1 <= laps <= most:
        raise UserError(
            f"{source}: laps must be 1, or up to {MOST_LAPS} on a closed track, got {short(laps)}"
        )
    return TrackFile(blocks, closed, laps, str(keys.get("description") or "").strip())


def _default_style(content: dict[object, object], source: str) -> Style:
    fields = [field.name for field in dataclasses.fields(Style)]
    known = ["blocks", "description", "laps", *fields]
    for key in content:
        if key not in known:
            raise UserError(f"{source}: unknown key {short(key)}; the known ones are {', '.join(known)}")
    style = {name: content[name] for name in fields if name in content}
    try:
        make_block("straight", style, Style())
    except ValueError as error:
        raise UserError(f"{source}: {error} (in the keys beside `blocks`)") from error
    return dataclasses.replace(Style(), **style)  # type: ignore[arg-type]


def _parse_all(entries: list[object], style: Style, source: str) -> list[Block]:
    """The blocks, as long as they stay within LONGEST_M."""
    blocks, length_m = [], 0.0
    for number, entry in enumerate(entries, 1):
        blocks.append(_parse(entry, number, style, source))
        length_m += STEP_M * len(blocks[-1].shape.height)
        if length_m > LONGEST_M:
            raise UserError(
                f"{source}: at block {number} the track is longer than {LONGEST_M / 1000:g} km, "
                "the most that is allowed"
            )
    return blocks


def _parse(entry: object, number: int, style: Style, source: str) -> Block:
    """An entry is a name, or a name with its options: `curve: {turn: left, size: 2}`."""
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, dict) or len(entry) != 1:
        raise UserError(f"{source}: block {number} must be `name` or `name: {{options}}`, got {short(entry)}")
    ((kind, options),) = entry.items()
    try:
        if not isinstance(options, dict):
            raise ValueError(f"options must be written as {{name: value}}, got {short(options)}")
        return make_block(kind, options, style)
    except ValueError as error:
        raise UserError(f"{source}: block {number} ({short(kind)}): {error}") from error


def _check_gates(blocks: list[Block], source: str) -> bool:
    """Whether the track is closed; UserError unless it has one start and one finish in that order."""
    kinds = [block.kind for block in blocks]
    wanted = ("start_finish",) if "start_finish" in kinds else ("start", "finish")
    for kind in ("start", "finish", "start_finish"):
        found = [number for number, name in enumerate(kinds, 1) if name == kind]
        if kind in wanted and not found:
            raise UserError(f"{source} has no block `{kind}`; add one to the list")
        if len(found) > (kind in wanted):
            raise UserError(f"{source}: block {found[-1]} ({kind}) is a second start or finish; remove it")
    if len(wanted) == 2 and kinds.index("finish") < kinds.index("start"):
        raise UserError(
            f"{source}: block {kinds.index('finish') + 1} (finish) comes before the start; swap them"
        )
    return len(wanted) == 1
