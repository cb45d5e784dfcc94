"""Where cars are along the reference line, and when a race is given up."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.race.reference_line import BEFORE, ReferenceLine

AHEAD, BACK = 96, 16  # zones searched per decision: 48 m forwards is 960 m/s at 20 decisions per second
REACH_M = hypot(0.25, 45.0)  # a point farther than this is never entered (Linesight)
_EXACT = "donot_use_mm_for_euclid_dist"  # the default loses centimetres far from the origin
SAME_PLACE_M = (
    1.0  # where the line passes a place twice: passes whose distances differ by less count as equal
)


class Progress(NamedTuple):
    """How far E cars have come. Metres are those of the line: 9.75 at the start, total_m at the end."""

    zone: Tensor  # (E,) int64, index of the nearest line point, found by walking
    furthest_zone: Tensor  # (E,) int64
    metres: Tensor  # (E,) float32, may fall when a car rolls back
    furthest_metres: Tensor  # (E,) float32
    last_advance_ms: Tensor  # (E,) int64, race time when furthest_zone last grew


def start(line: ReferenceLine, position: Tensor) -> Progress:
    """Progress at time 0 of cars at `position` (E, 3): nearest point, first lap where laps overlap."""
    return _begin(line, position, _nearest(line, position))


def start_near(line: ReferenceLine, position: Tensor, travelled_m: Tensor) -> Progress:
    """As `start`, where the car is known to be about `travelled_m` (E,) beyond the line's first point.

    Needed on later laps, where `start` would find the first; off by 8 m at most.
    """
    zone = torch.searchsorted(line.metres.contiguous(), travelled_m + line.start_m)
    return _begin(line, position, zone)


def advance(progress: Progress, line: ReferenceLine, position: Tensor, time_ms: Tensor) -> Progress:
    """Progress after a decision that ended at `position` (E, 3) and race time `time_ms` (E,) int64."""
    zone = walk(line, progress.zone, position)
    metres = metres_at(line, zone, position)
    gained = zone > progress.furthest_zone
    return Progress(
        zone=zone,
        furthest_zone=torch.maximum(progress.furthest_zone, zone),
        metres=metres,
        furthest_metres=torch.maximum(progress.furthest_metres, metres),
        last_advance_ms=torch.where(gained, time_ms, progress.last_advance_ms),
    )


def finish(progress: Progress, line: ReferenceLine, finished: Tensor) -> Progress:
    """The same, with cars that are `finished` (E,) bool put exactly at the end of the line."""
    zone = progress.zone.masked_fill(finished, line.finish_zone)
    return Progress(
        zone=zone,
        furthest_zone=torch.maximum(progress.furthest_zone, zone),
        metres=progress.metres.masked_fill(finished, line.total_m),
        furthest_metres=progress.furthest_metres.masked_fill(finished, line.total_m),
        last_advance_ms=progress.last_advance_ms,
    )


def walk(line: ReferenceLine, zone: Tensor, position: Tensor) -> Tensor:
    """The zones (E,) reached from `zone` (E,) by walking along the line while the next point is nearer.

    Forwards while the next point is not farther, else backwards while the one before is nearer; at most
    AHEAD or BACK zones, to points within REACH_M, from 1 to the last zone before the finish.
    """
    window = zone[:, None] + torch.arange(-BACK, AHEAD + 1, device=zone.device)  # (E, W)
    away = (line.rows(window.clamp(min=0)) - position[:, None]).unbind(2)
    square = away[0] ** 2 + away[1] ** 2 + away[2] ** 2  # (E, W); a third faster than sum(2)
    near = square <= REACH_M**2
    rise = square[:, 1:] - square[:, :-1]  # (E, W - 1), change of the distance over a step forwards
    onward = (rise[:, BACK:] <= 0) & near[:, BACK + 1 :] & line.gates(window[:, BACK:-1], position)
    behind = ((rise[:, :BACK] > 0) & near[:, :BACK]).flip(1)
    forwards = torch.minimum(_leading(onward), line.finish_zone - 1 - zone)
    backwards = torch.minimum(_leading(behind), zone - 1)
    # A walk forwards ends where the way back is farther, so that both never happen in one call.
    step = torch.where(forwards > 0, forwards, -backwards)
    return zone + torch.where(position[:, 1] > line.deck_height_m, step, 0)


def metres_at(line: ReferenceLine, zone: Tensor, position: Tensor) -> Tensor:
    """Arc length (E,) of `position` (E, 3), projected onto the segment around point `zone` (E,)."""
    segment = line.segments[zone - 1]
    along = ((position - segment[:, :3]) * segment[:, 3:6]).sum(1)
    return segment[:, 6] + torch.minimum(along.clamp(min=0.0), segment[:, 7])


@dataclass(frozen=True)
class CutOffs:
    """When a race that has not finished is given up: a truncation, whose last state keeps its value.

    With `no_progress_terminates` a car that is stuck has lost: nothing is earned after it.
    """

    race_ms: int
    no_progress_ms: int
    no_progress_terminates: bool = False

    def __post_init__(self) -> None:
        for name in ("race_ms", "no_progress_ms"):
            if getattr(self, name) <= 0:
                raise UserError(f"{name} must be more than 0 milliseconds, got {getattr(self, name)}")

    def __call__(self, progress: Progress, time_ms: Tensor) -> Tensor:
        """Which races are too long or stuck at race time `time_ms` (E,), (E,) bool."""
        return (time_ms > self.race_ms) | self._stuck(progress, time_ms)

    def lost(self, progress: Progress, time_ms: Tensor) -> Tensor:
        """Which of them terminate, (E,) bool."""
        stuck = self._stuck(progress, time_ms)
        return stuck if self.no_progress_terminates else torch.zeros_like(stuck)

    def _stuck(self, progress: Progress, time_ms: Tensor) -> Tensor:
        return time_ms - progress.last_advance_ms > self.no_progress_ms


def _begin(line: ReferenceLine, position: Tensor, zone: Tensor) -> Progress:
    zone = walk(line, zone.clamp(1, line.finish_zone - 1), position)
    metres = metres_at(line, zone, position)
    return Progress(zone, zone, metres, metres, torch.zeros_like(zone))


def _nearest(line: ReferenceLine, position: Tensor) -> Tensor:
    """The first points that are as near as any, give or take SAME_PLACE_M; not for the hot path."""
    points = line.points[BEFORE : line.finish_zone]
    distance = torch.cdist(position, points, compute_mode=_EXACT)
    nearest = distance <= distance.amin(dim=1, keepdim=True) + SAME_PLACE_M
    return nearest.to(torch.uint8).argmax(1) + BEFORE


def _leading(flags: Tensor) -> Tensor:
    """How many of the flags (E, W) are true before the first false one, (E,) int64."""
    return flags.cumprod(1).sum(1)
