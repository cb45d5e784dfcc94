"""The embedded game on a CPU, driven by the kernel: the numbers of `World` in a fraction of the time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from btr_tm.race.car import CarState
from btr_tm.race.car_arrays import CarArrays
from btr_tm.sim.physics import car_state, dynamics
from btr_tm.sim.physics.car_kernel import Reading, read
from btr_tm.sim.physics.constants import IDLE_RPM, KMH, MAX_RPM, TICK_S, CarConstants, TickConstants
from btr_tm.sim.physics.kernel import Course, drive, scratch
from btr_tm.sim.physics.road import REACH_M, Road
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.track.ribbon import GRASS, OTHER, SPACING_M, Track
from btr_tm.sim.world import NO_KEYS, World


@dataclass(frozen=True, eq=False)
class KernelWorld(World):
    """A World for tensors on the CPU whose `step` is one compiled loop, the same to the bit."""

    course: Course = field(init=False, repr=False)
    reading: Reading = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        course = Course(
            no_keys=NO_KEYS,
            table=self._road.table.numpy(),
            closed=self._road.closed,
            curves=self._constants.curves.numpy(),
            gates_m=self._gates_m.numpy(),
            constants=_numbers(self._constants, self._road),
        )
        object.__setattr__(self, "course", course)
        object.__setattr__(self, "reading", _reading(self.track, self.constants))

    def step(self, state: SimState, action: Tensor) -> SimState:
        """As `World.step`."""
        ticks = self.ticks_per_action if action.dim() == 1 else action.shape[1]
        actions = (action.unsqueeze(1) if action.dim() == 1 else action).contiguous().numpy()
        after = SimState(*(part.clone(memory_format=torch.contiguous_format) for part in state))
        floats, counters, queue = (part.numpy() for part in after)
        drive(floats, counters, queue, actions, ticks, self.course, scratch(queue.shape[1], ticks))
        return after

    def instruments(self, state: SimState) -> CarState:
        """As `World.car`, compiled."""
        cars = len(state.floats)
        car = CarState(
            position=torch.empty(cars, 3),
            rotation=torch.empty(cars, 3, 3),
            velocity=torch.empty(cars, 3),
            angular_velocity=torch.empty(cars, 3),
            wheel_sliding=torch.empty(cars, 4),
            wheel_contact=torch.empty(cars, 4),
            damper_m=torch.empty(cars, 4),
            surface=torch.empty(cars, 4, dtype=torch.int64),
            gearbox_state=torch.empty(cars),
            gear=torch.empty(cars),
            rpm=torch.empty(cars),
            freewheeling=torch.zeros(cars),
        )
        out = CarArrays(*(values.numpy() for values in car))
        read(state.floats.contiguous().numpy(), self.reading, out)
        return car


def _reading(track: Track, car: CarConstants) -> Reading:
    ribbon = track.ribbon
    columns = (ribbon.tangent, ribbon.up, ribbon.half_width_m[:, None], ribbon.road[:, None])
    tops = [kmh * KMH for kmh in (*car.shift_up_kmh, car_state.TOP_KMH)]
    numbers = {
        "spacing_m": SPACING_M,
        "reach_m": REACH_M,
        "near_m": 3 * dynamics.CONTACT_M,
        "half_track_m": car.half_track_m,
        "axle_m": car.axle_m,
        "grass": GRASS,
        "other": OTHER,
        "sliding": car_state.SLIDING,
        "roll_m": car_state.ROLL_M,
        "backing_mps": car_state.BACKING_MPS,
        "idle_rpm": IDLE_RPM,
        "rpm_range": MAX_RPM - IDLE_RPM,
        "rpm_lost": car_state.SHIFTING_RPM_LOST,
        "per_shift_s": 1 / (car.shift_s + TICK_S),
    }
    return Reading(
        stations=torch.cat(columns, 1).float().contiguous().numpy(),
        materials=ribbon.surface.contiguous().numpy(),
        closed=track.closed,
        top_mps=np.array(tops, np.float32),
        constants=_record(numbers, integers=("grass", "other")),
    )


def _record(numbers: dict[str, float], integers: tuple[str, ...] = ()) -> np.ndarray:
    """Numbers by name, as a kernel reads them: (1,)."""
    kinds = [(name, np.int64 if name in integers else np.float32) for name in numbers]
    return np.array([tuple(numbers.values())], dtype=kinds)


def _numbers(k: TickConstants, road: Road) -> np.ndarray:
    """All scalars of the car and the road in one record (1,)."""
    single = {name: value for name, value in k._asdict().items() if value.dim() == 0}
    grass = ("grass_grip", "grass_resistance", "grass_drag", "grass_boost")
    single |= dict(zip(grass, k.grass[:, 0], strict=True))
    single |= {"fall": k.fall[1, 0], "cling": k.cling[1, 0]}
    single |= dict(zip(("half_width_m", "half_length_m"), k.extent[:, 0], strict=True))
    single |= {name: getattr(road, name) for name in ("per_metre", "first_m", "last_m", "last")}
    numbers = {name: value.item() for name, value in single.items()}
    numbers |= {
        "contact_m": dynamics.CONTACT_M,
        "pit_m": dynamics.PIT_M,
        "least_stretch": dynamics.LEAST_STRETCH,
        "reach_m": REACH_M,
    }
    return _record(numbers)
