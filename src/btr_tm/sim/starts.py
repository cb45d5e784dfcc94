"""Where races begin: the canonical start, seeded starts for evaluation, and anywhere along the track."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from btr_tm.sim.physics.constants import KMH
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.world import World

EVALUATION_ASIDE_M = 1.0
EVALUATION_YAW_RAD = math.radians(3.0)
EVALUATION_DELAY_TICKS = 5
_BRAKING = 30.0  # m/s^2, what a plausible driver expects of the brake
_MARGIN_M = 40.0  # no start closer to the gap of a jump or to the finish


class Starts:
    """Start states of a world, on its device."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ceiling_mps = plausible_speed(world).to(world.device)
        self._allowed_m = _allowed(world).to(world.device)

    def canonical(self, count: int) -> SimState:
        """`count` cars standing at the start line: the start of record times."""
        zero = torch.zeros(count, device=self.world.device)
        return self.world.start(zero + self.world.track.start_m, zero, zero, zero, zero.long())

    def evaluation(self, count: int = 32, seed: int = 0) -> SimState:
        """Standing starts up to 1 m aside, turned by up to 3 degrees, delayed by 0 to 5 ticks.

        The draws come from the CPU, so that a seed means the same starts on any device.
        """
        generator = torch.Generator().manual_seed(seed)
        aside, yaw = (torch.rand(2, count, generator=generator) * 2 - 1).to(self.world.device)
        delay = torch.randint(EVALUATION_DELAY_TICKS + 1, (count,), generator=generator)
        zero = torch.zeros_like(aside)
        return self.world.start(
            zero + self.world.track.start_m,
            aside * EVALUATION_ASIDE_M,
            yaw * EVALUATION_YAW_RAD,
            zero,
            delay.to(zero.device),
        )

    def training(self, count: int, anywhere_share: float, generator: torch.Generator) -> SimState:
        """Starts of which a share lies anywhere along the track, rolling at 40 to 100 % of a speed from which
        the next curves can be driven; the others are canonical. `generator` may live on any device.
        """
        device = self.world.device
        where, speed, aside, yaw, chosen = torch.rand(
            5, count, generator=generator, device=generator.device
        ).to(device)
        pick = (where * len(self._allowed_m)).long().clamp(max=len(self._allowed_m) - 1)
        s_m = self._allowed_m[pick]
        here = self.world.track.at(s_m)
        station = ((s_m - self.world.track.start_m) / self.world.track.spacing_m).long()
        speed_mps = self.ceiling_mps[station] * (0.4 + 0.6 * speed)
        d_m = (aside * 2 - 1) * (here.half_width_m - 2).clamp(min=0) * 0.6
        yaw_rad = (yaw * 2 - 1) * math.radians(5)
        anywhere = chosen < anywhere_share
        d_m, yaw_rad, speed_mps = (torch.where(anywhere, part, 0.0) for part in (d_m, yaw_rad, speed_mps))
        s_m = torch.where(anywhere, s_m, self.world.track.start_m)
        return self.world.start(s_m, d_m, yaw_rad, speed_mps, torch.zeros_like(s_m, dtype=torch.int64))

    def is_canonical(self, state: SimState) -> Tensor:
        """(E,) bool: which of these fresh starts are canonical: at the line, neither aside nor turned."""
        return (state.floats == self.canonical(1).floats).all(1)


def plausible_speed(world: World) -> Tensor:
    """Speed in m/s at stations from start to finish: what curves ahead and the engine so far allow."""
    track, car = world.track, world.constants
    s_m = _race_m(world)
    bend = track.at(s_m.to(world.device)).curvature.abs().cpu().double().numpy()
    steering = (1 / np.maximum(bend, 1e-4) - car.steer_radius_m) / car.steer_radius_s
    speed = 0.9 * np.clip(steering, 5.0, 0.95 * 400 * KMH)
    squared = speed**2
    for i in range(len(squared) - 2, -1, -1):
        squared[i] = min(squared[i], squared[i + 1] + 2 * _BRAKING * track.spacing_m)
    squared[0] = 0.0
    for i in range(1, len(squared)):
        reach = 2 * _thrust(math.sqrt(squared[i - 1]), world) * track.spacing_m
        squared[i] = min(squared[i], squared[i - 1] + reach)
    return torch.tensor(np.sqrt(squared), dtype=torch.float32)


def _thrust(speed_mps: float, world: World) -> float:
    car = world.constants
    force = next((force for limit, force in car.engine if speed_mps < limit * KMH), 0.0)
    return max(0.0, force - car.asphalt.resistance)


def _race_m(world: World) -> Tensor:
    """Arc lengths of the stations from start to finish."""
    track = world.track
    count = int((track.finish_m - track.start_m) / track.spacing_m) + 1
    return track.start_m + track.spacing_m * torch.arange(count, dtype=torch.float32)


def _allowed(world: World) -> Tensor:
    """Arc lengths at which a rolling start makes sense: with road for a while, and not at the finish."""
    s_m = _race_m(world)
    gap = (world.track.at(s_m.to(world.device)).road < 0.5).float().cpu()
    ahead = round(_MARGIN_M / world.track.spacing_m)
    padded = torch.nn.functional.pad(gap.view(1, 1, -1), (0, ahead))
    blocked = torch.nn.functional.max_pool1d(padded, ahead + 1, stride=1).view(-1) > 0
    allowed = s_m[~blocked & (s_m < world.track.finish_m - _MARGIN_M)]
    return allowed if len(allowed) else s_m[:1]
