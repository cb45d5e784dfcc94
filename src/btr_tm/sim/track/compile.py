"""From the content of a track file to a ribbon: lay the blocks on the grid, resample, check."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.sim.track.blocks import KINDS, SURFACES, Block
from btr_tm.sim.track.checks import check_clearance, check_curves
from btr_tm.sim.track.file import TrackFile, parse_content
from btr_tm.sim.track.ribbon import (
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
from btr_tm.sim.track.shapes import CELL_M, LEVEL_M, Shape

FORWARD = np.array([[0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, 0.0]])  # (x, z) after 0..3 right turns
LONGEST_RACE_M = 100_000.0  # over all laps
WIDTH_EASE_M = 12.0  # half the distance over which the road changes its width


def compile_track(name: str, content: object, source: str) -> Track:
    """The track described by the `content` of a track file; `source` names it in errors.

    `content` is a list of blocks, or a mapping with the keys `blocks`, `description`, `laps` and the defaults
    of `blocks.Style`. A track with a block `start_finish` is closed, one with `start` and `finish` runs from
    one to the other.
    """
    file = parse_content(content, source)
    made = draft(file, source)
    if made.fault is not None:
        raise made.fault
    track = _with_rules(name, made.ribbon, file, source)
    return dataclasses.replace(track, description=file.description)


class Draft(NamedTuple):
    """Blocks laid one after the other, even if they make no track."""

    ribbon: Ribbon  # S stations
    block_numbers: np.ndarray  # (S,) int, of the block each station lies in, from 1
    fault: UserError | None  # the first thing that is wrong


def draft(file: TrackFile, source: str) -> Draft:
    """Lay the blocks of `file` and say what is wrong, so that it can be drawn."""
    course, fault = _lay(file, source)
    closed = file.closed and fault is None
    ribbon, block_numbers = _resample(course, file.blocks, closed)
    try:
        check_curves(ribbon, block_numbers, source)
        check_clearance(ribbon, block_numbers, closed, source)
    except UserError as error:
        fault = fault or error
    return Draft(ribbon, block_numbers, fault)


class _Course(NamedTuple):
    """The laid blocks, K samples."""

    points: np.ndarray  # (K, 3) m
    bank_rad: np.ndarray  # (K,)
    road: np.ndarray  # (K,)
    block: np.ndarray  # (K,) index into the list of blocks
    share: np.ndarray  # (K,) of the block's samples that lie before


def _lay(file: TrackFile, source: str) -> tuple[_Course, UserError | None]:
    """Put each block's entrance where the previous block ends; also the first gap."""
    blocks, place, quarters, parts, fault = file.blocks, np.zeros(3), 0, [], None
    for index, block in enumerate(blocks):
        fault = fault or _misplaced(block, place, index, source)
        shape = block.shape
        points = lay_shape(shape, place, quarters)
        bank = np.radians(block.style.bank) * shape.bend
        index_of = np.full(len(points), index)
        part = _Course(points, bank, shape.road, index_of, np.linspace(0, 1, len(points)))
        parts.append(_Course(*(values[:-1] for values in part)) if index < len(blocks) - 1 else part)
        place, quarters = points[-1], quarters + shape.quarters
    if file.closed and (quarters % 4 or np.abs(place).max() > 0.01):
        fault = fault or UserError(
            f"{source}: gap between block {len(blocks)} ({blocks[-1].kind}), which ends at {_cells(place)} "
            f"after {quarters % 4} quarter turns, and block 1 at [0, 0, 0]; change blocks until they meet"
        )
    return _Course(*(np.concatenate(values) for values in zip(*parts, strict=True))), fault


def lay_shape(shape: Shape, place: np.ndarray, quarters: int) -> np.ndarray:
    """World points (K, 3) of a shape whose entrance is at `place` after `quarters` right turns."""
    flat = shape.plan[:, :1] * FORWARD[(quarters + 1) % 4] + shape.plan[:, 1:] * FORWARD[quarters % 4]
    return place + np.stack([flat[:, 0], shape.height, flat[:, 1]], -1)


def _misplaced(block: Block, place: np.ndarray, index: int, source: str) -> UserError | None:
    wanted = place if block.at is None else np.array(block.at) * [CELL_M, LEVEL_M, CELL_M]
    if np.abs(wanted - place).max() <= 0.01:
        return None
    return UserError(
        f"{source}: gap before block {index + 1} ({block.kind}): it should be at {_cells(wanted)}, but "
        f"block {index} ends at {_cells(place)}; change the blocks before it or its `at`"
    )


def _cells(place: np.ndarray) -> list[float]:
    return [round(float(value), 2) + 0.0 for value in place / [CELL_M, LEVEL_M, CELL_M]]


def _resample(course: _Course, blocks: list[Block], closed: bool) -> tuple[Ribbon, np.ndarray]:
    """Stations half a metre of arc apart, and the number of the block (from 1) each lies in.

    A closed track is scaled by less than a thousandth, so that its length is a whole number of stations.
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


def _with_rules(name: str, ribbon: Ribbon, file: TrackFile, source: str) -> Track:
    """Start, finish and checkpoints from the gates; the line of a closed track counts once per lap."""
    gate, closed, laps = ribbon.gate.numpy(), file.closed, file.laps
    lap_m = len(gate) * SPACING_M
    if laps * lap_m > LONGEST_RACE_M:
        raced_km, most_km = laps * lap_m / 1000, LONGEST_RACE_M / 1000
        raise UserError(
            f"{source}: {laps} laps are {raced_km:.0f} km, and at most {most_km:g} km are allowed"
        )
    start_m = float(np.flatnonzero(gate == (FINISH_GATE if closed else START_GATE))[0]) * SPACING_M
    stations = np.flatnonzero(gate == CHECKPOINT_GATE) * SPACING_M
    if not closed:
        finish_m = float(np.flatnonzero(gate == FINISH_GATE)[0]) * SPACING_M
        between = tuple(float(s_m) for s_m in stations if start_m < s_m < finish_m)
        return Track(name, ribbon, start_m, finish_m, between)
    after_start = np.sort((stations - start_m) % lap_m)
    passed = [float(start_m + lap * lap_m + s_m) for lap in range(laps) for s_m in (0.0, *after_start)]
    return Track(name, ribbon, start_m, start_m + laps * lap_m, tuple(passed[1:]), closed=True, laps=laps)
