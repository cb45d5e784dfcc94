"""The embedded game on a CPU, driven by the kernel: the numbers of `World` in a fraction of the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from btr_tm.sim.physics import dynamics, kernel
from btr_tm.sim.physics.constants import TickConstants
from btr_tm.sim.physics.road import REACH_M, Road
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.world import NO_KEYS, World


class _Arrays(NamedTuple):
    """What `kernel.drive` takes after state, actions and ticks, in its order."""

    no_keys: int
    table: np.ndarray
    closed: bool
    curves: np.ndarray
    gates_m: np.ndarray
    constants: np.ndarray


@dataclass(frozen=True, eq=False)
class KernelWorld(World):
    """A World for tensors on the CPU whose `step` is one compiled loop, the same to the bit."""

    _arrays: _Arrays = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        arrays = _Arrays(
            no_keys=NO_KEYS,
            table=self._road.table.numpy(),
            closed=self._road.closed,
            curves=self._constants.curves.numpy(),
            gates_m=self._gates_m.numpy(),
            constants=_numbers(self._constants, self._road),
        )
        object.__setattr__(self, "_arrays", arrays)

    def step(self, state: SimState, action: Tensor) -> SimState:
        """As `World.step`."""
        ticks = self.ticks_per_action if action.dim() == 1 else action.shape[1]
        actions = (action.unsqueeze(1) if action.dim() == 1 else action).contiguous().numpy()
        after = SimState(*(part.clone(memory_format=torch.contiguous_format) for part in state))
        floats, counters, queue = (part.numpy() for part in after)
        kernel.drive(floats, counters, queue, actions, ticks, *self._arrays)
        return after


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
    return np.array([tuple(numbers.values())], dtype=[(name, np.float32) for name in numbers])
