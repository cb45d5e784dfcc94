"""The state of a car from what telemetry says, and an estimate of what it does not say."""

from __future__ import annotations

import torch
from torch import Tensor

from btr_tm.envs.desktop.protocols import Reading
from btr_tm.race.car import CarState

MOVES = 1.0  # m/s: a slower car does not show its direction by where it goes
SLIDES = 0.5  # slip of a wheel, from 0 to 1, that counts as sliding
UPWARDS = (0.0, 1.0, 0.0)


class CarEstimate:
    """Of one car, record after record; before it moves it looks `ahead`, a world vector (3,).

    Without a velocity in the telemetry it is that between two records, without a direction the car looks
    where it goes, and without wheels all four roll on asphalt. Dampers and the gearbox are never known.
    """

    def __init__(self, ahead: Tensor) -> None:
        self._ahead = ahead
        self.begin()

    def begin(self) -> None:
        """A new race: what came before is forgotten."""
        self._before: Reading | None = None
        self._velocity = torch.zeros(3)
        self._rotation = _axes(self._ahead, torch.tensor(UPWARDS))

    def __call__(self, reading: Reading) -> CarState:
        """After `reading`."""
        elapsed_s = self._elapsed_s(reading)
        velocity = self._moved(reading, elapsed_s)
        rotation = self._turned(reading, velocity)
        spin = _spin(self._rotation, rotation) / elapsed_s if elapsed_s > 0 else torch.zeros(3)
        self._before, self._rotation, self._velocity = reading, rotation, velocity
        slip = torch.tensor(reading.slip or (0.0,) * 4)
        grounded = 0.0 if reading.flying_ms else 1.0
        parts = (
            torch.tensor(reading.position),
            rotation,
            velocity,
            spin,
            (slip > SLIDES).float(),
            torch.full((4,), grounded),
            torch.zeros(4),
            torch.zeros(4, dtype=torch.int64),
            torch.tensor(0.0),
            torch.tensor(float(reading.gear)),
            torch.tensor(float(reading.rpm)),
            torch.tensor(0.0),
        )
        return CarState(*(part[None] for part in parts))

    def _elapsed_s(self, reading: Reading) -> float:
        before = self._before
        if before is None:
            return 0.0
        if reading.race_ms is not None and before.race_ms is not None:
            return (reading.race_ms - before.race_ms) / 1000
        return reading.at_s - before.at_s

    def _moved(self, reading: Reading, elapsed_s: float) -> Tensor:
        if reading.velocity is not None:
            return torch.tensor(reading.velocity)
        if self._before is None or elapsed_s <= 0:
            return self._velocity  # the same record again says nothing new
        return (torch.tensor(reading.position) - torch.tensor(self._before.position)) / elapsed_s

    def _turned(self, reading: Reading, velocity: Tensor) -> Tensor:
        up = torch.tensor(reading.up or UPWARDS)
        if reading.forward is not None:
            return _axes(torch.tensor(reading.forward), up)
        if float(velocity.norm()) < MOVES or abs(float(velocity[1])) > 0.9 * float(velocity.norm()):
            return self._rotation
        return _axes(velocity, up)


def _axes(forward: Tensor, up: Tensor) -> Tensor:
    """The rotation (3, 3) of a car that looks `forward` (3,), with `up` (3,) roughly above it."""
    forward = forward / forward.norm()
    left = torch.linalg.cross(up, forward)
    left = left / left.norm()
    return torch.stack((left, torch.linalg.cross(forward, left), forward), dim=1)


def _spin(before: Tensor, after: Tensor) -> Tensor:
    """The rotation vector (3,), radians in the world, that leads from one (3, 3) to the other, if small."""
    return torch.linalg.cross(before, after, dim=0).sum(1) / 2
