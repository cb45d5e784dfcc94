"""Rules that may forbid a zone to advance although the next line point is nearer."""

from __future__ import annotations

from copy import copy
from typing import Protocol

import torch
from torch import Tensor

RADIUS_M = 12.0  # how near a car must have passed the centre of a checkpoint (Linesight)
SPREAD = 200  # zones before and after a gate that its checkpoint cannot gate again: one gate per lap


class Gates(Protocol):
    """A rule on leaving zones forwards.

    Its class is called with the points of the line (M, 3) and the centres (C, 3) of start, checkpoints and
    finish.
    """

    def __call__(self, zones: Tensor, position: Tensor) -> Tensor:
        """Which of `zones` (E, W) a car at `position` (E, 3) may leave forwards, (E, W) bool."""
        ...

    def to(self, device: torch.device | str) -> Gates:
        """The same rule on another device."""
        ...


class NoGates:
    """Every zone may be left, whatever the line: the environment itself watches the finish."""

    def __init__(self, points: Tensor | None = None, checkpoints: Tensor | None = None) -> None:
        """Takes what every rule is built from, and needs none of it."""

    def __call__(self, zones: Tensor, position: Tensor) -> Tensor:
        return torch.ones_like(zones, dtype=torch.bool)

    def to(self, device: torch.device | str) -> NoGates:
        return self


class CheckpointGates:
    """The zone cannot pass a checkpoint which the car did not drive through: no reward for cutting one.

    `centre` (M, 3) float32 is the centre of the checkpoint at each line point, `square` (M,) float32 the
    squared radius around it; infinite where there is no checkpoint.
    """

    def __init__(self, points: Tensor, checkpoints: Tensor) -> None:
        self.centre = torch.zeros_like(points)
        self.square = torch.full_like(points[:, 0], torch.inf)
        for checkpoint in checkpoints.to(points):
            distance = (points - checkpoint).norm(dim=1)
            while distance.min() < RADIUS_M:  # once per lap
                zone = int(distance.argmin())
                self.centre[zone], self.square[zone] = checkpoint, RADIUS_M**2
                distance[max(0, zone - SPREAD) : zone + SPREAD] = torch.inf  # as published: not the last one

    def __call__(self, zones: Tensor, position: Tensor) -> Tensor:
        inside = zones.clamp(min=0)
        return (self.centre[inside] - position[:, None]).square().sum(2) < self.square[inside]

    def to(self, device: torch.device | str) -> CheckpointGates:
        moved = copy(self)
        moved.centre, moved.square = self.centre.to(device), self.square.to(device)
        return moved
