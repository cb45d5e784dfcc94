"""What a picture needs to know about a car: where it is, how it stands, and what the driver does with it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Columns of what `pack` returns
POSITION, FORWARD, UP, VELOCITY = 0, 3, 6, 9
S, D, HEIGHT, DAMPER, STEER, BRAKE, COLUMNS = 12, 13, 14, 15, 16, 17, 18


class Pose(NamedTuple):
    """One pose per car, leading axis E; SI units, world axes y up, float32."""

    position: Tensor  # (E, 3) world, m
    forward: Tensor  # (E, 3) unit
    up: Tensor  # (E, 3) unit, orthogonal to forward
    velocity: Tensor  # (E, 3) m/s; the camera looks between it and `forward`, so that a slide is seen
    s_m: Tensor  # (E,) arc length along the ribbon, grows over laps
    d_m: Tensor  # (E,) offset to the driver's right
    height_m: Tensor  # (E,) above the ribbon
    damper: Tensor  # (E,) mean damper compression, m
    steer: Tensor  # (E,) -1 full left to 1 full right
    brake: Tensor  # (E,) 0 or 1


def pack(pose: Pose) -> Tensor:
    """All fields side by side, as kernels take them: (E, 18)."""
    vectors, numbers = pose[:4], pose[4:]
    return torch.cat([*vectors, torch.stack(numbers, 1)], 1)


def unpack(columns: Tensor) -> Pose:
    """The inverse of `pack`: views of (E, 18)."""
    vectors = columns[:, :S].unflatten(1, (4, 3)).unbind(1)
    return Pose(*vectors, *columns[:, S:].unbind(1))
