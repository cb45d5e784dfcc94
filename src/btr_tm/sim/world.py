"""The embedded game: a track, a car and the clock; many races side by side, one row of tensors each.

Letters in shapes: E cars, K ticks of a decision, Q ticks of delay, G gates.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from btr_tm.race.actions import keys
from btr_tm.race.car import CarState
from btr_tm.sim.car import TICK_S, CarConstants, sample_curves
from btr_tm.sim.dynamics import REACH_M, Body, Keys, Tables, tick
from btr_tm.sim.pose import Pose
from btr_tm.sim.ribbon import Track
from btr_tm.sim.road import grass_tyre, pack_road
from btr_tm.sim.state import FINISH, GATE, HOLD, TICK, SimState, pack
from btr_tm.sim.wheels import axes, car_state

PHYSICS_VERSION = 1  # belongs into every .inputs file: other figures make another race of the same keys
NO_KEYS = 3  # row of race.actions.TABLE


@dataclass(frozen=True, eq=False)
class World:
    """Cars on a track, driven by key combinations; pure functions of a SimState.

    A decision holds one action for `ticks_per_action` ticks of 10 ms, or brings one action per tick;
    each reaches the car `action_delay_ticks` later.
    """

    track: Track
    constants: CarConstants = field(default_factory=CarConstants)
    ticks_per_action: int = 5
    action_delay_ticks: int = 0

    def __post_init__(self) -> None:
        device = self.device
        gravity = torch.tensor([[0.0], [-self.constants.gravity_air * TICK_S], [0.0]])
        tables = Tables(
            road=pack_road(self.track, self.constants),
            curves=sample_curves(self.constants).to(device),
            grass=grass_tyre(self.constants).to(device),
            gravity=gravity.to(device),
        )
        gates = [*self.track.checkpoints_m, self.track.finish_m, float("inf")]
        object.__setattr__(self, "_tables", tables)
        object.__setattr__(self, "_gates_m", torch.tensor(gates, dtype=torch.float32, device=device))

    @property
    def device(self) -> torch.device:
        """Where the track's tensors live, and so the cars."""
        return self.track.ribbon.centre.device

    def step(self, state: SimState, action: Tensor) -> SimState:
        """One decision. `action` int64 (E,), held for `ticks_per_action` ticks, or (E, K), one per tick."""
        if action.dim() == 1:
            action = action.unsqueeze(1).expand(-1, self.ticks_per_action)
        driver, queue = self._driver_keys(state, action)
        body, counters = state.body, list(state.counters.unbind(1))
        for held in driver:
            body = tick(body, held, self._tables, self.constants)
            counters = self._count(counters, body)
        return SimState(pack(body), torch.stack(counters, dim=1), queue)

    def _driver_keys(self, state: SimState, action: Tensor) -> tuple[list[Keys], Tensor]:
        ticks = action.shape[1]
        arriving = torch.cat([state.queue, action], dim=1)
        driven, queue = arriving[:, :ticks], arriving[:, ticks:]
        clock = state.tick.unsqueeze(1) + torch.arange(ticks, device=action.device)
        driven = torch.where(clock < state.counters[:, HOLD : HOLD + 1], NO_KEYS, driven)
        gas, brake, left, right = keys(driven).permute(2, 1, 0).unbind(0)  # (K, E) each
        steer = right - left
        return [Keys(*held) for held in zip(gas.unbind(0), brake.unbind(0), steer.unbind(0), strict=True)], queue

    def _count(self, counters: list[Tensor], body: Body) -> list[Tensor]:
        """Advances the clock; a gate counts once the car is past it, and in the order of the track."""
        clock, finish, gate, hold = counters
        clock = clock + 1
        passed = (body.s_m >= self._gates_m.index_select(0, gate)) & (body.height_m > -REACH_M)
        gate = gate + passed
        last = gate == self._gates_m.shape[0] - 1
        return [clock, torch.where(passed & last, clock, finish), gate, hold]

    def car(self, state: SimState) -> CarState:
        """What the driver's instruments read."""
        return car_state(state.body, self.track.at(state.s_m), self.constants)

    def pose(self, state: SimState) -> Pose:
        """What a camera needs."""
        body = state.body
        _, up, forward = axes(body)
        return Pose(
            position=state.position,
            forward=forward,
            up=up,
            s_m=body.s_m,
            d_m=body.d_m,
            height_m=body.height_m,
            damper=body.damper_m,
            steer=body.steer,
            brake=body.brake,
            velocity=state.velocity,
        )

    def start(
        self, s_m: Tensor, d_m: Tensor, yaw_rad: Tensor, speed_mps: Tensor, delay_ticks: Tensor
    ) -> SimState:
        """Cars at rest or rolling at arc length `s_m`, `d_m` to the right of the centreline; all (E,).

        `yaw_rad` > 0 points to the right of the road's direction; no key reaches the car for `delay_ticks`.
        """
        here = self.track.at(s_m)
        cos, sin = yaw_rad.cos().unsqueeze(1), yaw_rad.sin().unsqueeze(1)
        forward = here.tangent * cos + here.right * sin
        zero = torch.zeros_like(s_m)
        row = (speed_mps * 10).long().clamp(0, self._tables.curves.shape[0] - 1)
        body = Body(
            position=(here.centre + here.right * d_m.unsqueeze(1)).t(),
            velocity=(forward * speed_mps.unsqueeze(1)).t(),
            forward=forward.t(),
            up=here.up.t(),
            s_m=s_m,
            d_m=d_m,
            height_m=zero,
            s_rate=speed_mps * cos.squeeze(1) / (1 - here.curvature * d_m).clamp(min=0.2),
            steer=zero,
            yaw_rate=zero,
            gear=self._tables.curves[row, 6],
            shift_s=zero,
            damper_m=torch.full_like(zero, self.constants.damper_rest_m),
            damper_mps=zero,
            slip=zero,
            contact=torch.ones_like(zero),
            brake=zero,
        )
        gates = (s_m.unsqueeze(1) >= self._gates_m).sum(1)
        clock = torch.zeros_like(gates)
        counters = torch.stack([clock, clock - 1, gates, delay_ticks], dim=1)
        queue = torch.full((s_m.shape[0], self.action_delay_ticks), NO_KEYS, device=s_m.device)
        return SimState(pack(body), counters, queue)
