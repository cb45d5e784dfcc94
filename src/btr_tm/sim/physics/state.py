"""Everything about E races in three tensors, so that picking rows of it costs three operations.

Letters in shapes: E cars, Q ticks of the longest delay.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from btr_tm.sim.physics.dynamics import Body, from_rows, to_rows

_S, _D, _HEIGHT = 12, 13, 14
TICK, FINISH, GATE, HOLD = range(4)
NO_ACTION = -1  # fills the places of a queue that is longer than a car's delay


class SimState(NamedTuple):
    """State of E races. The properties name the columns that others need; `body` names all of them."""

    floats: Tensor  # (E, 25) float32, the fields of dynamics.Body side by side
    counters: Tensor  # (E, 4) int64: tick, finish tick, next gate, tick before which no key reaches the car
    queue: Tensor  # (E, Q) int64, actions under way to the car, as many as its delay; NO_ACTION after them

    @property
    def tick(self) -> Tensor:
        """(E,) int64, ticks since the green light."""
        return self.counters[:, TICK]

    @property
    def finish_tick(self) -> Tensor:
        """(E,) int64, tick at which the finish line was crossed, -1 before."""
        return self.counters[:, FINISH]

    @property
    def next_gate(self) -> Tensor:
        """(E,) int64, gates passed so far: the checkpoints in order, then the finish."""
        return self.counters[:, GATE]

    @property
    def position(self) -> Tensor:
        """(E, 3) world, m."""
        return self.floats[:, 0:3]

    @property
    def velocity(self) -> Tensor:
        """(E, 3) world, m/s."""
        return self.floats[:, 3:6]

    @property
    def forward(self) -> Tensor:
        """(E, 3) unit."""
        return self.floats[:, 6:9]

    @property
    def s_m(self) -> Tensor:
        """(E,) arc length along the ribbon, grows over laps."""
        return self.floats[:, _S]

    @property
    def d_m(self) -> Tensor:
        """(E,) offset to the driver's right of the centreline."""
        return self.floats[:, _D]

    @property
    def height_m(self) -> Tensor:
        """(E,) above the ribbon."""
        return self.floats[:, _HEIGHT]

    @property
    def delay_ticks(self) -> Tensor:
        """(E,) int64, how late actions reach each car."""
        return (self.queue != NO_ACTION).sum(1)

    @property
    def body(self) -> Body:
        """All columns by name, cars in the last axis: views, no copies."""
        return from_rows(self.floats.t())


def pack(body: Body) -> Tensor:
    """The inverse of `SimState.body`: (E, 25)."""
    return to_rows(body).t().contiguous()
