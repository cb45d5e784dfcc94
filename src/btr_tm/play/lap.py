"""One lap as it is driven, a tick of 10 ms at a time, by the simulator's own physics."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from btr_tm.race.actions import TICK_MS
from btr_tm.report.redrive import Redriven, one_race
from btr_tm.sim.colour.car_mesh import Colour
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.pose import Pose
from btr_tm.sim.world import World


class Rival(NamedTuple):
    """A recorded race that starts together with the player's."""

    name: str
    race: Redriven
    paint: Colour
    opacity: float = 1.0  # less than 1 for a ghost

    def pose_at(self, time_ms: float, start: Pose) -> Pose:
        """Where the car is, (1, ...); `start` is where all cars stand before the first tick."""
        tick, share = divmod(max(0.0, time_ms) / TICK_MS, 1)
        before, after = (self._after(int(tick) + more, start) for more in (0, 1))
        return between(before, after, share)

    def _after(self, ticks: int, start: Pose) -> Pose:
        if ticks == 0:
            return start
        at = min(ticks, len(self.race.actions)) - 1
        return Pose(*(leaf[at : at + 1] for leaf in self.race.pose))


class Passed(NamedTuple):
    """A checkpoint that was driven through."""

    number: int  # from 1
    time_ms: int


class Lap:
    """A car on its way from `start`, a state of one car in `world`, whose decisions last one tick."""

    def __init__(self, world: World, start: SimState) -> None:
        assert world.ticks_per_action == 1, world.ticks_per_action
        self.world, self.state = world, start
        self.actions: list[int] = []
        self.poses = [world.pose(start)]  # after 0, 1, 2 ... ticks
        self.passed: list[Passed] = []

    @property
    def finished(self) -> bool:
        return int(self.state.finish_tick) >= 0

    @property
    def time_ms(self) -> int:
        """Race time, which stands still at the finish."""
        return TICK_MS * len(self.actions)

    @property
    def speed_kmh(self) -> float:
        return float(self.poses[-1].velocity.norm()) * 3.6

    @property
    def metres(self) -> float:
        """How far from the start line, along the road."""
        return float(self.state.s_m) - self.world.track.start_m

    def tick(self, action: int) -> None:
        """Drive one tick with row `action` of race.actions.TABLE; a car that has finished drives no more."""
        if self.finished:
            return
        gates = int(self.state.next_gate)
        with torch.inference_mode():
            self.state = self.world.step(self.state, torch.tensor([action]))
            self.poses.append(self.world.pose(self.state))
        self.actions.append(action)
        last = min(int(self.state.next_gate), len(self.world.track.checkpoints_m))
        self.passed += [Passed(gate + 1, self.time_ms) for gate in range(gates, last)]

    def wall(self) -> int:
        """The wall that the car is pressed against: 1 the right one, -1 the left one, 0 none."""
        with torch.inference_mode():
            return int(self.world.wall_ahead(self.state))

    def pose_at(self, time_ms: float) -> Pose:
        """Where the car was, (1, ...), between two ticks too."""
        last = len(self.poses) - 1
        tick = min(max(0.0, time_ms) / TICK_MS, last)
        first = math.floor(tick)
        return between(self.poses[first], self.poses[min(first + 1, last)], tick - first)

    def race(self) -> Redriven:
        """The lap as a recorded race, in which no wall is noted."""
        if not self.actions:
            return Redriven(torch.zeros(0, dtype=torch.int64), self.poses[0], torch.zeros(0), False, 0)
        poses = Pose(*(torch.cat(leaves) for leaves in zip(*self.poses[1:], strict=True)))
        walls = torch.zeros(len(self.actions), dtype=torch.int64)
        return one_race(torch.tensor(self.actions), poses, walls, int(self.state.finish_tick))


def between(before: Pose, after: Pose, share: float) -> Pose:
    """The pose that is `share` of the way; over one tick a straight line is exact enough for a picture."""
    return Pose(*(torch.lerp(a, b, share) for a, b in zip(before, after, strict=True)))
