"""The embedded game: a track, a car and the clock; many races side by side, one row of tensors each.

Letters in shapes: E cars, K ticks of a decision, Q ticks of the longest delay, G gates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from btr_tm.race.actions import keys
from btr_tm.race.car import CarState
from btr_tm.sim.physics.car_state import axes, car_state
from btr_tm.sim.physics.constants import CarConstants, TickConstants, tick_constants
from btr_tm.sim.physics.dynamics import LEAST_STRETCH, Body, Keys, Tick, eager_tick, fly, meet
from btr_tm.sim.physics.road import REACH_M, Road, pack_road
from btr_tm.sim.physics.state import HOLD, NO_ACTION, TICK, SimState, pack
from btr_tm.sim.pose import Pose
from btr_tm.sim.track.ribbon import Track

# Written into every .inputs file. Raise it with any change of constants or formulas: the same keys then give
# another race, and author times have to be found again.
PHYSICS_VERSION = 1
NO_KEYS = 3  # row of race.actions.TABLE


@dataclass(frozen=True, eq=False)
class World:
    """Cars on a track, driven by key combinations; pure functions of a SimState.

    A decision holds one action for `ticks_per_action` ticks of 10 ms, or brings one action per tick;
    each reaches the car as late as the queue of its state says, Q = `action_delay_ticks` after a `start`.
    """

    track: Track
    constants: CarConstants = field(default_factory=CarConstants)
    ticks_per_action: int = 5
    action_delay_ticks: int = 0
    make_tick: Callable[[Road, TickConstants], Tick] = eager_tick
    _tick: Tick = field(init=False, repr=False)
    _road: Road = field(init=False, repr=False)
    _constants: TickConstants = field(init=False, repr=False)
    _gates_m: Tensor = field(init=False, repr=False)  # (G,) ascending, the finish last

    def __post_init__(self) -> None:
        gates = torch.tensor([*self.track.checkpoints_m, self.track.finish_m], device=self.device)
        object.__setattr__(self, "_constants", tick_constants(self.constants, self.device))
        object.__setattr__(self, "_road", pack_road(self.track, self.constants))
        object.__setattr__(self, "_tick", self.make_tick(self._road, self._constants))
        object.__setattr__(self, "_gates_m", gates)

    @property
    def device(self) -> torch.device:
        """Where the track's tensors live, and so the cars."""
        return self.track.ribbon.centre.device

    def step(self, state: SimState, action: Tensor) -> SimState:
        """One decision. `action` int64 (E,), held for `ticks_per_action` ticks, or (E, K), one per tick."""
        if action.dim() == 1:
            action = action.unsqueeze(1).expand(-1, self.ticks_per_action)
        driver, queue = self._driver_keys(state, action)
        body, places, heights = state.body, [], []
        for held in driver:
            body = self._tick(body, held)
            places.append(body.s_m)
            heights.append(body.height_m)
        carried = torch.stack(heights) > -REACH_M
        places_m = torch.where(carried, torch.stack(places), -torch.inf)
        return SimState(pack(body), self._count(state, places_m), queue)

    def _driver_keys(self, state: SimState, action: Tensor) -> tuple[list[Keys], Tensor]:
        ticks = action.shape[1]
        arriving = _after(state.queue, action)
        driven = arriving[:, :ticks]
        # A copy: the strides of a slice would differ from those of `start`, and each layout is compiled anew.
        queue = arriving[:, ticks:].clone(memory_format=torch.contiguous_format)
        clock = state.counters[:, TICK, None] + torch.arange(ticks, device=action.device)
        driven = torch.where(clock < state.counters[:, HOLD, None], NO_KEYS, driven)
        gas, brake, left, right = keys(driven).permute(2, 1, 0).contiguous().unbind(0)  # (K, E) each
        per_tick = zip(gas.unbind(0), brake.unbind(0), (right - left).unbind(0), strict=True)
        return [Keys(*held) for held in per_tick], queue

    def _count(self, state: SimState, places_m: Tensor) -> Tensor:
        """The clock and the gates after a decision, from the arc lengths (K, E) at its ticks.

        Arc length is continuous, so a car past a gate has passed all gates before it.
        """
        clock, finish, gate, hold = state.counters.unbind(1)
        ticks = places_m.shape[0]
        passed = (places_m.amax(0).unsqueeze(1) >= self._gates_m).sum(1)
        number = torch.arange(1, ticks + 1, device=clock.device).unsqueeze(1)
        first = torch.where(places_m >= self._gates_m[-1], number, ticks + 1).amin(0)
        finish = torch.where((finish < 0) & (first <= ticks), clock + first, finish)
        return torch.stack([clock + ticks, finish, torch.maximum(gate, passed), hold], dim=1)

    def car(self, state: SimState) -> CarState:
        """What the driver's instruments read."""
        return car_state(state.body, self.track.at(state.s_m), self.constants)

    def wall_ahead(self, state: SimState) -> Tensor:
        """The wall that the next tick brings a car against: 1 the right one, -1 the left, 0 none; (E,)."""
        flight = fly(state.body, self._road, self._constants)
        return meet(flight.local, flight.here, self._constants)[1].wall

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
        row = torch.minimum((speed_mps * self._constants.rows_per_mps).long(), self._constants.last_row)
        body = Body(
            position=(here.centre + here.right * d_m.unsqueeze(1)).t(),
            velocity=(forward * speed_mps.unsqueeze(1)).t(),
            forward=forward.t(),
            up=here.up.t(),
            s_m=s_m,
            d_m=d_m,
            height_m=zero,
            s_rate=speed_mps * cos.squeeze(1) / (1 - here.curvature * d_m).clamp(min=LEAST_STRETCH),
            steer=zero,
            yaw_rate=zero,
            gear=self._constants.curves[row, 6],
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


def _after(queue: Tensor, action: Tensor) -> Tensor:
    """The actions (E, Q) under way and (E, K) after them, then NO_ACTION: (E, Q + K)."""
    if not queue.shape[1]:
        return action
    ticks = torch.arange(action.shape[1], device=action.device)
    delay = (queue != NO_ACTION).sum(1, keepdim=True)
    room = torch.full_like(action, NO_ACTION)
    return torch.cat([queue, room], dim=1).scatter(1, delay + ticks, action)
