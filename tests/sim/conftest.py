"""Hand-laid roads and cars for tests of the pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from btr_tm.sim.pose import Pose
from btr_tm.sim.track.ribbon import SPACING_M, Profile, Track, assemble


@pytest.fixture(scope="session")
def lay():
    """Lays a road by hand."""
    return _lay


@pytest.fixture(scope="session")
def park():
    """Puts cars on a road."""
    return _park


def _lay(pieces, gates=None, half_width_m=12.0, wall_m=18.0) -> Track:
    """A road from pieces (length m, curvature 1/m, slope at the end, surface, road); gates {s_m: kind}."""
    curvature, slope, surface, road = ([] for _ in range(4))
    for length_m, bend, rise, group, there in pieces:
        count = int(length_m / SPACING_M)
        slope += list(np.linspace(slope[-1] if slope else 0.0, rise, count))
        curvature += [bend] * count
        surface += [group] * count
        road += [there] * count
    heading, pitch = np.cumsum(curvature) * SPACING_M, np.arctan(slope)
    step = np.stack([-np.sin(heading) * np.cos(pitch), np.sin(pitch), np.cos(heading) * np.cos(pitch)], 1)
    ones = np.ones(len(step))
    gate = np.zeros(len(step), dtype=np.int64)
    for s_m, kind in (gates or {}).items():
        gate[int(s_m / SPACING_M)] = kind
    profile = Profile(
        np.cumsum(step, axis=0) * SPACING_M,
        0 * ones,
        half_width_m * ones,
        wall_m * ones,
        np.array(surface),
        np.array(road, dtype=float),
        gate,
    )
    return Track("laid", assemble(profile, closed=False), start_m=20.0, finish_m=len(step) * SPACING_M - 20)


def _park(track: Track, s_m, d_m=0.0, yaw_rad=0.0, height_m=0.0, roll_rad=0.0, brake=0.0, steer=0.0) -> Pose:
    """Cars (E,) standing on the road at `s_m`; `yaw_rad` > 0 turns right, `roll_rad` > 0 rolls right."""
    s_m = torch.as_tensor(s_m, dtype=torch.float32)

    def each(value) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float32).expand(s_m.shape).clone()

    d_m, yaw_rad, height_m, roll_rad = map(each, (d_m, yaw_rad, height_m, roll_rad))
    here = track.at(s_m)
    position = here.centre + d_m[:, None] * here.right + height_m[:, None] * here.up
    forward = here.tangent * yaw_rad.cos()[:, None] + here.right * yaw_rad.sin()[:, None]
    right = torch.linalg.cross(forward, here.up)
    up = here.up * roll_rad.cos()[:, None] + right * roll_rad.sin()[:, None]
    still = torch.zeros_like(position)
    return Pose(
        position, forward, up, still, s_m, d_m, height_m, torch.zeros_like(s_m), each(steer), each(brake)
    )  # fmt: skip
