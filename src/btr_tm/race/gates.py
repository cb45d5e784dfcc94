"""Rules that may forbid a zone to advance although the next line point is nearer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

RADIUS_M = 12.0  # how near a car must have passed the centre of a checkpoint (Linesight)
SPREAD = 200  # zones before and after a gate that its checkpoint cannot gate again: one gate per lap


class Gates(Protocol):
    """A rule on leaving zones forwards."""

    def __call__(self, zones: Tensor, position: Tensor) -> Tensor:
        """Which of `zones` (E, W) a car at `position` (E, 3) may leave forwards, (E, W) bool."""
        ...

    def to(self, device: torch.device | str) -> Gates:
        """The same rule on another device."""
        ...


@dataclass(frozen=True)
class NoGates:
    """Every zone may be left: the finish is watched by whoever drives the car."""

    def __call__(self, zones: Tensor, position: Tensor) -> Tensor:
        return torch.ones_like(zones, dtype=torch.bool)

    def to(self, device: torch.device | str) -> NoGates:
        return self


@dataclass(frozen=True)
class CheckpointGates:
    """The zone cannot pass a checkpoint which the car did not drive through: no reward for cutting one."""

    centre: Tensor  # (M, 3) float32, of the checkpoint at each line point
    square: Tensor  # (M,) float32, squared radius; infinite where there is no checkpoint

    @classmethod
    def on(cls, points: Tensor, checkpoints: Tensor) -> CheckpointGates:
        """Gates on the line `points` (M, 3) for checkpoint centres (C, 3) within RADIUS_M of it."""
        centre = torch.zeros_like(points)
        square = torch.full_like(points[:, 0], torch.inf)
        for checkpoint in checkpoints.to(points):
            distance = (points - checkpoint).norm(dim=1)
            while distance.min() < RADIUS_M:
                zone = int(distance.argmin())
                centre[zone], square[zone] = checkpoint, RADIUS_M**2
                distance[max(0, zone - SPREAD) : zone + SPREAD] = torch.inf  # the end is left, as published
        return cls(centre, square)

    def __call__(self, zones: Tensor, position: Tensor) -> Tensor:
        inside = zones.clamp(min=0)
        return (self.centre[inside] - position[:, None]).square().sum(2) < self.square[inside]

    def to(self, device: torch.device | str) -> CheckpointGates:
        return CheckpointGates(self.centre.to(device), self.square.to(device))


def no_gates(points: Tensor, checkpoints: Tensor) -> Gates:
    """Whatever the line and its checkpoints."""
    return NoGates()


def checkpoint_gates(points: Tensor, checkpoints: Tensor) -> Gates:
    """On the line `points` (M, 3) for the centres (C, 3) of start, checkpoints and finish."""
    return CheckpointGates.on(points, checkpoints)
