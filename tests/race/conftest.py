"""Lines and cars for the tests of race/."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from btr_tm.race.car import CarState
from btr_tm.race.reference_line import ReferenceLine


def winding_points(count: int = 1500, seed: int = 0) -> np.ndarray:
    """A hilly line of tight and wide curves, exactly 0.5 m from point to point."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, 4)
    s = 0.5 * np.arange(count)
    heading = 1.5 * np.sin(s / 40 + phase[0]) + 0.8 * np.sin(s / 17 + phase[1])
    pitch = 0.1 * np.sin(s / 60 + phase[2])
    steps = 0.5 * np.stack(
        (np.cos(pitch) * np.sin(heading), np.sin(pitch), np.cos(pitch) * np.cos(heading)), axis=1
    )
    return np.array([300.0, 20.0, 400.0]) + np.cumsum(steps, axis=0)


@pytest.fixture(scope="session")
def winding() -> ReferenceLine:
    return ReferenceLine.from_points(winding_points())


@pytest.fixture(scope="session")
def straight() -> ReferenceLine:
    """200 points along +z from the origin: 99.5 m."""
    points = np.zeros((200, 3))
    points[:, 2] = 0.5 * np.arange(200)
    return ReferenceLine.from_points(points)


def random_car(position: Tensor, seed: int = 0) -> CarState:
    """Cars at `position` (E, 3), turned and moving at random."""
    generator = torch.Generator().manual_seed(seed)
    cars = len(position)

    def draw(*shape: int) -> Tensor:
        return torch.rand(cars, *shape, generator=generator)

    rotation = torch.linalg.qr(torch.randn(cars, 3, 3, generator=generator))[0]
    return CarState(
        position=position,
        rotation=rotation * torch.linalg.det(rotation)[:, None, None],
        velocity=draw(3) * 80 - 20,
        angular_velocity=draw(3),
        wheel_sliding=draw(4).round(),
        wheel_contact=draw(4).round(),
        damper_m=draw(4) * 0.1,
        surface=torch.randint(0, 5, (cars, 4), generator=generator),
        gearbox_state=draw().round(),
        gear=(draw() * 5).round(),
        rpm=draw() * 10000,
        freewheeling=draw().round(),
    )


@pytest.fixture
def car_at():
    return random_car


@pytest.fixture
def points_of():
    return winding_points
