"""A scripted driver with the 12 key actions: steers toward a point of the road ahead and brakes for curves.

It keeps to the middle of the road: proof that a track can be driven, and a baseline far from its best time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from btr_tm.sim.physics.state import SimState
from btr_tm.sim.starts import plausible_speed
from btr_tm.sim.world import World


class Driver:
    """Drives E cars of a world; `nerve` is the share of the plausible speed it drives."""

    def __init__(self, world: World, nerve: float = 1.0) -> None:
        self.world, self.nerve = world, nerve
        self.speed_mps = plausible_speed(world).to(world.device)

    def __call__(self, state: SimState) -> Tensor:
        """Actions (E,) int64: pure pursuit of the centreline, no faster than the plausible speed."""
        car, track = self.world.constants, self.world.track
        speed = state.velocity.norm(dim=1)
        ahead = track.at(state.s_m + 8 + 0.45 * speed).centre - state.position
        right = torch.linalg.cross(state.forward, state.body.up.t())
        aside, along = (ahead * right).sum(1), (ahead * state.forward).sum(1)
        bend = 2 * aside / (aside.square() + along.square())
        wanted = bend * (car.steer_radius_m + car.steer_radius_s * speed)
        wanted = torch.where(along > 0, wanted, aside.sign())
        steer = torch.where(wanted > 0.4, 2, torch.where(wanted < -0.4, 1, 0))
        station = ((state.s_m - track.start_m + 0.1 * speed) / track.spacing_m).long()
        limit = self.speed_mps[station.clamp(0, len(self.speed_mps) - 1)] * self.nerve
        pedals = torch.where(speed > limit + 3, 6, torch.where(speed > limit, 3, 0))
        return pedals + steer


def drive(world: World, start: SimState, seconds: float, nerve: float = 1.0) -> SimState:
    """The state after at most `seconds`; stops once every car has finished."""
    driver, state = Driver(world, nerve), start
    for _ in range(round(seconds * 100 / world.ticks_per_action)):
        state = world.step(state, driver(state))
        if bool((state.finish_tick >= 0).all()):
            break
    return state
