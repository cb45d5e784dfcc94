"""Track files: reading the YAML list of blocks and checking its entries; every error names file and block."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

import yaml

from btr_tm.core.errors import UserError
from btr_tm.sim.track.blocks import Block, Style, make_block


class TrackFile(NamedTuple):
    """A track as its author wrote it."""

    blocks: list[Block]
    closed: bool
    laps: int
    description: str


def read_content(path: Path) -> dict[str, object]:
    """The mapping in a track file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}" if where else "its first lines"
        raise UserError(f"{path.name} is not valid YAML at {line}; check the indentation there") from error
    return content if isinstance(content, dict) else {}


def parse_content(content: dict[str, object], source: str) -> TrackFile:
    """Check `content`; `source` names the file in errors."""
    entries = content.get("blocks")
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{source} needs a key `blocks` with a list of blocks, as the shipped tracks have")
    style = _default_style(content, source)
    blocks = [_parse(entry, number, style, source) for number, entry in enumerate(entries, 1)]
    closed = _check_gates(blocks, source)
    laps = content.get("laps", 1)
    if not isinstance(laps, int) or laps < 1 or (laps > 1 and not closed):
        raise UserError(f"{source}: laps must be 1, or more on a closed track, got {laps}")
    return TrackFile(blocks, closed, laps, str(content.get("description", "")).strip())


def _default_style(content: dict[str, object], source: str) -> Style:
    fields = [field.name for field in dataclasses.fields(Style)]
    known = ["blocks", "description", "laps", *fields]
    for key in content:
        if key not in known:
            raise UserError(f"{source}: unknown key {key!r}; the known ones are {', '.join(known)}")
    style = {key: value for key, value in content.items() if key in fields}
    try:
        make_block("straight", style, Style())
    except ValueError as error:
        raise UserError(f"{source}: {error} (in the keys beside `blocks`)") from error
    return dataclasses.replace(Style(), **style)  # type: ignore[arg-type]


def _parse(entry: object, number: int, style: Style, source: str) -> Block:
    """An entry is a name, or a name with its options: `curve: {turn: left, size: 2}`."""
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, dict) or len(entry) != 1:
        raise UserError(f"{source}: block {number} must be `name` or `name: {{options}}`, got {entry}")
    ((kind, options),) = entry.items()
    try:
        if not isinstance(options, dict):
            raise ValueError(f"options must be written as {{name: value}}, got {options}")
        return make_block(kind, options, style)
    except ValueError as error:
        raise UserError(f"{source}: block {number} ({kind}): {error}") from error


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
