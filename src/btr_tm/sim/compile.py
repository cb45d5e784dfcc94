"""From a track file to a ribbon: read the YAML list of blocks, lay them on the grid, check, resample."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml  # type: ignore[import-untyped]  # PyYAML

from btr_tm.core.errors import UserError
from btr_tm.sim.blocks import KINDS, SURFACES, Block, Style, make_block
from btr_tm.sim.checks import check_clearance, check_curves
from btr_tm.sim.reference_line import load_line
from btr_tm.sim.ribbon import (
    CHECKPOINT_GATE,
    FINISH_GATE,
    NO_GATE,
    SPACING_M,
    START_GATE,
    Profile,
    Ribbon,
    Track,
    assemble,
)
from btr_tm.sim.shapes import CELL_M, LEVEL_M

FOLDER = Path(__file__).parent / "tracks"
FORWARD = np.array([[0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, 0.0]])  # (x, z) after 0..3 right turns
WIDTH_EASE_M = 12.0  # half the distance over which the road changes its width


def shipped_tracks() -> list[str]:
    """Names of the tracks that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_track(name_or_path: str | Path, half_width_m: float = 12.0) -> Track:
    """A shipped track by name, a track file (.yaml), or a reference line (.npy) with a road of `half_width_m`.

    Raises UserError naming the file, the block and the remedy.
    """
    path = Path(name_or_path)
    if path.suffix == ".npy":
        return load_line(path, half_width_m)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{path.name}.yaml"
    if not path.is_file():
        known = ", ".join(shipped_tracks())
        raise UserError(
            f"expected a shipped track ({known}) or the path of a .yaml or .npy file, got {str(name_or_path)!r}"
        )
    return compile_track(path.stem, _read(path), path.name)


def compile_track(name: str, content: dict[str, object], source: str) -> Track:
    """The track described by the `content` of a track file; `source` names it in errors.

    Keys: `blocks` (required), `description`, `laps` and the defaults of `blocks.Style`. A track with a block
    `start_finish` is closed, one with `start` and `finish` runs from one to the other.
    """
    style = _default_style(content, source)
    entries = content["blocks"]
    assert isinstance(entries, list), entries
    blocks = [_parse(entry, number, style, source) for number, entry in enumerate(entries, 1)]
    closed = _check_gates(blocks, source)
    laps = content.get("laps", 1)
    if not isinstance(laps, int) or laps < 1 or (laps > 1 and not closed):
        raise UserError(f"{source}: expected laps of 1, or more where there is a start_finish block, got {laps}")
    course = _lay(blocks, closed, source)
    ribbon, block_numbers = _resample(course, blocks, closed)
    check_curves(ribbon, block_numbers, source)
    check_clearance(ribbon, block_numbers, closed, source)
    track = _with_rules(name, ribbon, closed, laps)
    return dataclasses.replace(track, description=str(content.get("description", "")).strip())


def _read(path: Path) -> dict[str, object]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}" if where else "its first lines"
        raise UserError(f"{path.name}: expected valid YAML, could not read {line}; check the indentation") from error
    if not isinstance(content, dict) or not isinstance(content.get("blocks"), list) or not content["blocks"]:
        raise UserError(f"{path.name}: expected a key `blocks` with a list of blocks; see the shipped tracks")
    return content


def _default_style(content: dict[str, object], source: str) -> Style:
    fields = [field.name for field in dataclasses.fields(Style)]
    known = ["blocks", "description", "laps", *fields]
    for key in content:
        if key not in known:
            raise UserError(f"{source}: unknown key {key!r}; valid keys are {', '.join(known)}")
    dress = {key: value for key, value in content.items() if key in fields}
    try:
        make_block("straight", dress, Style())
    except ValueError as error:
        raise UserError(f"{source}: {error}; correct the defaults above the list of blocks") from error
    return dataclasses.replace(Style(), **dress)  # type: ignore[arg-type]


def _parse(entry: object, number: int, style: Style, source: str) -> Block:
    """An entry is a name, or a name with its options: `curve: {turn: left, size: 2}`."""
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, dict) or len(entry) != 1:
        raise UserError(f"{source}: block {number}: expected `name` or `name: {{options}}`, got {entry}")
    ((kind, options),) = entry.items()
    try:
        if not isinstance(options, dict):
            raise ValueError(f"expected options as {{name: value}}, got {options}")
        return make_block(kind, options, style)
    except ValueError as error:
        raise UserError(f"{source}: block {number} ({kind}): {error}; correct that block") from error


def _check_gates(blocks: list[Block], source: str) -> bool:
    """Whether the track is closed; UserError unless it has one start and one finish in that order."""
    kinds = [block.kind for block in blocks]
    wanted = ("start_finish",) if "start_finish" in kinds else ("start", "finish")
    for kind in ("start", "finish", "start_finish"):
        found = [number for number, name in enumerate(kinds, 1) if name == kind]
        if kind in wanted and not found:
            raise UserError(f"{source}: no block `{kind}` among {len(kinds)}; add one to the list")
        if len(found) > (kind in wanted):
            raise UserError(f"{source}: block {found[-1]} is a second start or finish; remove it")
    if len(wanted) == 2 and kinds.index("finish") < kinds.index("start"):
        raise UserError(f"{source}: block {kinds.index('finish') + 1} (finish) comes before the start; swap them")
    return len(wanted) == 1


class _Course(NamedTuple):
    """The laid blocks, K samples."""

    points: np.ndarray  # (K, 3) m
    bank_rad: np.ndarray  # (K,)
    road: np.ndarray  # (K,)
    block: np.ndarray  # (K,) index into the list of blocks
    share: np.ndarray  # (K,) of the block's samples that lie before


def _lay(blocks: list[Block], closed: bool, source: str) -> _Course:
    """Put each block's entrance where the previous block ends."""
    place, quarters, parts = np.zeros(3), 0, []
    for index, block in enumerate(blocks):
        _check_place(block, place, index, source)
        shape = block.shape
        flat = shape.plan[:, :1] * FORWARD[(quarters + 1) % 4] + shape.plan[:, 1:] * FORWARD[quarters % 4]
        points = place + np.stack([flat[:, 0], shape.height, flat[:, 1]], -1)
        bank = np.radians(block.style.bank) * shape.bend
        index_of = np.full(len(points), index)
        part = _Course(points, bank, shape.road, index_of, np.linspace(0, 1, len(points)))
        parts.append(_Course(*(values[:-1] for values in part)) if index < len(blocks) - 1 else part)
        place, quarters = points[-1], quarters + shape.quarters
    if closed and (quarters % 4 or np.abs(place).max() > 0.01):
        raise UserError(
            f"{source}: gap between block {len(blocks)} ({blocks[-1].kind}), which ends at {_cells(place)} heading "
            f"{quarters % 4} quarter turns right, and block 1 at [0, 0, 0]; add or change blocks until they meet"
        )
    return _Course(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _check_place(block: Block, place: np.ndarray, index: int, source: str) -> None:
    if block.at is None:
        return
    wanted = np.array(block.at) * [CELL_M, LEVEL_M, CELL_M]
    if np.abs(wanted - place).max() > 0.01:
        raise UserError(
            f"{source}: gap before block {index + 1} ({block.kind}): it should be at {_cells(wanted)}, but the track "
            f"has come to {_cells(place)}; change the blocks before it or its `at`"
        )


def _cells(place: np.ndarray) -> list[float]:
    return [round(float(value), 2) + 0.0 for value in place / [CELL_M, LEVEL_M, CELL_M]]


def _resample(course: _Course, blocks: list[Block], closed: bool) -> tuple[Ribbon, np.ndarray]:
    """Stations half a metre of arc apart, and the number of the block (from 1) each lies in.

    A closed track is scaled by less than one part in a thousand, so that its length is a whole number of stations.
    """
    points, travelled = course.points, _travelled(course.points)
    if closed:
        points = points * (round(travelled[-1] / SPACING_M) * SPACING_M / travelled[-1])
        travelled = _travelled(points)
    stations = int(travelled[-1] / SPACING_M + 1e-6) + (not closed)
    s_m = np.minimum(np.arange(stations) * SPACING_M, travelled[-1])
    sample = np.minimum(np.searchsorted(travelled, s_m), len(travelled) - 1)
    block, share = course.block[sample], course.share[sample]
    widths = np.array([item.style.width / 2 for item in blocks])
    walls = widths + [item.style.margin for item in blocks]
    profile = Profile(
        centre=np.stack([np.interp(s_m, travelled, points[:, axis]) for axis in range(3)], -1),
        bank_rad=np.interp(s_m, travelled, course.bank_rad),
        half_width_m=_eased(widths[block], closed),
        wall_m=_eased(walls[block], closed),
        surface=_surfaces(blocks, block, share),
        road=course.road[sample],
        gate=_gates(blocks, block, share),
    )
    return assemble(profile, closed), block + 1


def _travelled(points: np.ndarray) -> np.ndarray:
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _eased(values: np.ndarray, closed: bool) -> np.ndarray:
    """Blur steps with a triangle window."""
    reach = int(WIDTH_EASE_M / SPACING_M)
    window = np.bartlett(2 * reach + 3)[1:-1]
    padded = np.pad(values, reach, mode="wrap" if closed else "edge")
    return np.convolve(padded, window / window.sum(), mode="valid")


def _surfaces(blocks: list[Block], block: np.ndarray, share: np.ndarray) -> np.ndarray:
    plain = np.array([SURFACES[item.style.surface] for item in blocks])[block]
    pad = np.array([-1 if KINDS[item.kind].pad is None else KINDS[item.kind].pad for item in blocks])[block]
    return np.where((pad >= 0) & (np.abs(share - 0.5) < 0.25), pad, plain)


def _gates(blocks: list[Block], block: np.ndarray, share: np.ndarray) -> np.ndarray:
    gates = np.zeros(len(block), dtype=np.int64)
    for index, item in enumerate(blocks):
        if KINDS[item.kind].gate != NO_GATE:
            gates[np.where(block == index, np.abs(share - 0.5), np.inf).argmin()] = KINDS[item.kind].gate
    return gates


def _with_rules(name: str, ribbon: Ribbon, closed: bool, laps: int) -> Track:
    """Start, finish and checkpoints from the gates; the line of a closed track counts once per lap."""
    gate = ribbon.gate.numpy()
    lap_m = len(gate) * SPACING_M
    start_m = float(np.flatnonzero(gate == (FINISH_GATE if closed else START_GATE))[0]) * SPACING_M
    stations = np.flatnonzero(gate == CHECKPOINT_GATE) * SPACING_M
    if not closed:
        finish_m = float(np.flatnonzero(gate == FINISH_GATE)[0]) * SPACING_M
        between = tuple(float(s_m) for s_m in stations if start_m < s_m < finish_m)
        return Track(name, ribbon, start_m, finish_m, between)
    after_start = np.sort((stations - start_m) % lap_m)
    passed = [float(start_m + lap * lap_m + s_m) for lap in range(laps) for s_m in (0.0, *after_start)]
    return Track(name, ribbon, start_m, start_m + laps * lap_m, tuple(passed[1:]), closed=True, laps=laps)
