"""What a driver may hold during a decision: 12 key combinations, and 8 more for each finer steer."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from btr_tm.core.block import Block
from btr_tm.core.errors import UserError

KEYS = ("accelerate", "brake", "left", "right")
TABLE = torch.tensor(
    [
        [1, 0, 0, 0],
        [1, 0, 1, 0],
        [1, 0, 0, 1],
        [0, 0, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [0, 1, 0, 0],
        [0, 1, 1, 0],
        [0, 1, 0, 1],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 0, 1],
    ],
    dtype=torch.float32,
)
FORWARD = 0  # accelerate only: also what "no action yet" reads as
COUNT = len(TABLE)
HALF, QUARTER, THREE_QUARTERS = 0.5, 0.25, 0.75
PARTS = (HALF, QUARTER, THREE_QUARTERS)  # of a stick's way, in the order of their rows
STEER_LEVELS = (1, 2, 4)  # to each side; those of a lower one keep their rows in a higher one
QUARTERS = STEER_LEVELS[-1]  # of the way: as fine as a car steers
# The pedals of every third row of TABLE, with a part to the left and to the right; from 12, 20 and 28 on.
PART_ROWS = torch.cat([TABLE[row] + part * TABLE[4:6] for part in PARTS for row in range(0, COUNT, 3)])
ALL_ROWS = torch.cat([TABLE, PART_ROWS])
ALL = len(ALL_ROWS)
PER_PART = len(PART_ROWS) // len(PARTS)
TICK_MS = 10


def keys(action: Tensor) -> Tensor:
    """Rows of ALL_ROWS for int64 actions of any shape (...) -> (..., 4) float32.

    Computed rather than looked up: TABLE lives on the CPU, and copying it to the device on every call
    would be a host sync.
    """
    partly, number = action >= COUNT, action - COUNT
    steer = torch.where(partly, 1 + number % 2, action % 3)
    pedals = torch.where(partly, number % PER_PART // 2, action // 3)
    part = number // PER_PART
    held = ((pedals == 0) | (pedals == 3), pedals >= 2, steer == 1, steer == 2)
    accelerate, brake, left, right = (each.to(torch.float32) for each in held)
    way = torch.where(part == 0, HALF, torch.where(part == 1, QUARTER, THREE_QUARTERS))
    way = torch.where(partly, way, 1.0)
    return torch.stack((accelerate, brake, left * way, right * way), dim=-1)


def rows(held: Tensor) -> Tensor:
    """Actions (...) int64 for keys (..., 4), the inverse of `keys`; left and right are never both held."""
    up, down, left, right = (column.bool() for column in held.unbind(-1))
    pedals = torch.where(up, torch.where(down, 3, 0), torch.where(down, 2, 1))
    fully = 3 * pedals + torch.where(left, 1, torch.where(right, 2, 0))
    way, row = held[..., 2:].amax(-1), COUNT + 2 * pedals + right.long()
    for number, part in enumerate(PARTS):
        fully = torch.where(way == part, row + PER_PART * number, fully)
    return fully


def block(offsets_ms: object) -> Block:
    """Shape of a decision whose actions begin at `offsets_ms` after it: () for [0], (K,) for 0, 10, 20, ...

    UserError for offsets that leave out a tick: no key would be known there.
    """
    offsets = list(offsets_ms) if isinstance(offsets_ms, list | tuple) else []
    if not offsets or offsets != list(range(0, TICK_MS * len(offsets), TICK_MS)):
        raise UserError(
            f"action_offsets_ms must count 0, 10, 20, ... without a hole, got {offsets_ms}; write "
            "[0, 10, 20, 30, 40] for a block of five actions, or [0] for one action that is held"
        )
    return () if len(offsets) == 1 else (len(offsets),)


def count(steer_levels: int) -> int:
    """How many actions there are to choose from: 12, 20 or 36. UserError for other levels than 1, 2 and 4."""
    if steer_levels not in STEER_LEVELS:
        raise UserError(
            "env.steer_levels must be 1 (left and right), 2 (halves too) or 4 (quarters too), "
            f"got {steer_levels}"
        )
    return COUNT + PER_PART * (steer_levels - 1)


def ways(steer_levels: int) -> tuple[float, ...]:
    """How far a driver may steer to a side, rising to 1."""
    return tuple((number + 1) / steer_levels for number in range(steer_levels))


def only_gas(action: Tensor) -> Tensor:
    """Whether actions (...) hold nothing but gas and perhaps a direction."""
    return (action < 3) | ((action >= COUNT) & ((action - COUNT) % PER_PART < 2))


def check_actions(action: object, count: int = COUNT) -> None:
    """UserError unless `action` (tensor, array or int) holds integers 0..`count` - 1.

    A host sync, for API edges.
    """
    values = action.cpu().numpy() if isinstance(action, Tensor) else np.asarray(action)
    if values.dtype.kind not in "iu":
        raise UserError(f"actions must be whole numbers from 0 to {count - 1}, got {values.dtype}")
    # One search, as each takes as long as a car's decision: numbers below 0 become large ones.
    if values.size and values.astype(np.uint64).max() >= count:
        wrong = values[(values < 0) | (values >= count)]
        raise UserError(
            f"actions must be from 0 to {count - 1} (rows of race.actions.TABLE), got {int(wrong[0])}"
        )
