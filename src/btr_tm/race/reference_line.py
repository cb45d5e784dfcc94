"""The reference line: points about 0.5 m apart from start to finish, and what is derived from them once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding

from btr_tm.race.gates import Gates, NoGates
from btr_tm.race.line_points import checked, read_points, refuse_standstill

BEFORE = 20  # points prepended, so that a car may stand behind the start
AFTER = 1000  # points appended, so that a car near the finish still sees a line ahead


@dataclass(frozen=True)
class ReferenceLine:
    """A line of M points (M = N + 1020) and its M - 1 segments. A car in `zone` z is nearest to points[z].

    Segment i runs from transition i to transition i + 1, where a transition is the middle of two points.
    Progress in metres is the arc length over the transitions; the race begins in zone 20, at 9.75 m.
    """

    points: Tensor  # (M, 3) float32, world, m
    segments: Tensor  # (M - 2, 8): transition (3), unit axis (3), metres at its start, length; one gather
    start_m: float  # metres at the first point given, about 9.75
    total_m: float  # metres of a finished race
    spacing_m: float = 0.5
    deck_height_m: float = -float("inf")  # a car lower than this is off the track and does not change zone
    gates: Gates = NoGates()

    @classmethod
    def from_points(
        cls,
        points: np.ndarray | Tensor,
        spacing_m: float = 0.5,
        deck_height_m: float = -float("inf"),
        source: str = "reference line",
    ) -> ReferenceLine:
        """From N world points (N, 3), y up, about `spacing_m` apart; places where the car stood still count
        once. UserError that names `source` if they cannot be a line.
        """
        raw = checked(np.asarray(points), spacing_m, source)
        line = _smoothed(_extended(raw))
        middles = (line[:-1] + line[1:]) / 2
        refuse_standstill(middles, raw, source)
        steps = np.diff(middles, axis=0)
        lengths = np.linalg.norm(steps, axis=1, keepdims=True)
        metres = np.concatenate(([0.0], np.cumsum(lengths)))
        table = np.concatenate((middles[:-1], steps / lengths, metres[:-1, None], lengths), axis=1)
        return cls(
            points=torch.tensor(line, dtype=torch.float32),
            segments=torch.tensor(table, dtype=torch.float32),
            start_m=float(metres[BEFORE - 1] + metres[BEFORE]) / 2,
            total_m=float(metres[len(line) - AFTER]),
            spacing_m=spacing_m,
            deck_height_m=deck_height_m,
        )

    @classmethod
    def load(cls, path: str | Path, spacing_m: float = 0.5) -> ReferenceLine:
        """From an `.npy` file of (N, 3) numbers. UserError if it is missing, not such a file, or no line."""
        return cls.from_points(read_points(path), spacing_m, source=str(path))

    def gated(self, gates: Callable[[Tensor, Tensor], Gates], checkpoints: Tensor) -> ReferenceLine:
        """The same line with `gates` built for it and for the checkpoint centres (C, 3)."""
        return replace(self, gates=gates(self.points, checkpoints))

    def rows(self, zones: Tensor) -> Tensor:
        """Points of `zones` (...) -> (..., 3); twice as fast on the CPU as `points[zones]`."""
        return embedding(zones, self.points)

    @property
    def transitions(self) -> Tensor:
        """(M - 2, 3) float32, where zones meet."""
        return self.segments[:, :3]

    @property
    def axes(self) -> Tensor:
        """(M - 2, 3) float32, unit vectors along the segments."""
        return self.segments[:, 3:6]

    @property
    def metres(self) -> Tensor:
        """(M - 2,) float32, arc length at each transition."""
        return self.segments[:, 6]

    @property
    def finish_zone(self) -> int:
        """The zone of a car that has finished; before that a car is at most in `finish_zone - 1`."""
        return len(self.points) - AFTER

    def to(self, device: torch.device | str) -> ReferenceLine:
        """The same line on another device."""
        return replace(
            self,
            points=self.points.to(device),
            segments=self.segments.to(device),
            gates=self.gates.to(device),
        )


def _extended(points: np.ndarray) -> np.ndarray:
    """Straight run-ups before and after, so that zone arithmetic needs no edge cases."""
    first, last = points[1] - points[0], points[-1] - points[-2]
    before = points[0] - first * np.arange(BEFORE, 0, -1)[:, None]
    after = points[-1] + last * np.arange(1, AFTER + 1)[:, None]
    return np.concatenate((before, points, after))


def _smoothed(points: np.ndarray) -> np.ndarray:
    """Each point but the outer five becomes the middle of its fifth neighbours."""
    smooth = points.copy()
    smooth[5:-5] = (points[:-10] + points[10:]) / 2
    return smooth
