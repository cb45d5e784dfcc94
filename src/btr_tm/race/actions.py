"""The 12 key combinations a driver may hold during a decision."""

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
TICK_MS = 10


def keys(action: Tensor) -> Tensor:
    """Rows of TABLE for int64 actions of any shape (...) -> (..., 4) float32.

    Computed rather than looked up: TABLE lives on the CPU, and copying it to the device on every call
    would be a host sync.
    """
    steer, pedals = action % 3, action // 3
    held = ((pedals == 0) | (pedals == 3), pedals >= 2, steer == 1, steer == 2)
    return torch.stack(held, dim=-1).to(torch.float32)


def rows(held: Tensor) -> Tensor:
    """Actions (...) int64 for keys (..., 4), the inverse of `keys`; left and right are never both held."""
    up, down, left, right = (column.bool() for column in held.unbind(-1))
    pedals = torch.where(up, torch.where(down, 3, 0), torch.where(down, 2, 1))
    return 3 * pedals + torch.where(left, 1, torch.where(right, 2, 0))


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


def check_actions(action: object) -> None:
    """UserError unless `action` (tensor, array or int) holds integers 0..11; a host sync, for API edges."""
    values = action.cpu().numpy() if isinstance(action, Tensor) else np.asarray(action)
    if values.dtype.kind not in "iu":
        raise UserError(f"actions must be whole numbers from 0 to {COUNT - 1}, got {values.dtype}")
    # One search, as each takes as long as a car's decision: numbers below 0 become large ones.
    if values.size and values.astype(np.uint64).max() >= COUNT:
        wrong = values[(values < 0) | (values >= COUNT)]
        raise UserError(
            f"actions must be from 0 to {COUNT - 1} (rows of race.actions.TABLE), got {int(wrong[0])}"
        )
