"""Where the cars of a training go on when a race is done: at drawn starts, or where they have been lately.

Letters in shapes: E cars, P drawn starts.
"""

from __future__ import annotations

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.seeding import generator as make_generator
from btr_tm.core.tree import concat_rows, flatten, take_rows, where_rows
from btr_tm.core.types import StateDict
from btr_tm.envs.drive import CarsAndViews, Drive
from btr_tm.sim.physics.state import FINISH, HOLD, TICK

LOOK_EVERY = 20  # decisions: each car gives one state a second at most; a look takes as long as ten decisions
NO_CHANCES = torch.zeros(2, 0)


class Restarts:
    """At drawn starts only: the null object."""

    room = 0  # states kept besides the drawn starts

    def begin(self, pool: CarsAndViews, cars: int, seed: int) -> CarsAndViews:
        """The pool whose rows `rows` gives, from the drawn starts `pool` (P rows); `watch` may change it."""
        return pool

    def draw(self) -> Tensor:
        """Random numbers for every car, in every decision: draws do not depend on who is done."""
        return NO_CHANCES

    def rows(self, drawn: Tensor, chances: Tensor) -> Tensor:
        """Rows (E,) of the pool for cars that are done: `drawn` (E,) among the drawn starts, or others."""
        return drawn

    def watch(self, present: CarsAndViews, done: Tensor) -> None:
        """Called after every decision, with what came of it; cars that were `done` (E,) have restarted."""

    def state_dict(self) -> StateDict:
        return {}

    def load_state_dict(self, state: StateDict) -> None:
        """Nothing changes."""


class RecentRestarts(Restarts):
    """A share of the restarts, on average, is at one of the last `states` that the cars themselves reached.

    A state is kept once its race has gained new ground `left_out_ms` after it; so the time before a car got
    stuck, or was given up, is left out, and so is the end of a race that finished. From such a state a race
    begins anew: clock, reward and progress count from there, while speed, keys on their way to the car and
    picture are those of the state.
    """

    def __init__(self, share: float, states: int, left_out_ms: int) -> None:
        if not 0.0 <= share <= 1.0:
            raise UserError(f"env.restarts.share must be from 0 to 1, got {share}")
        if left_out_ms < 0:
            raise UserError(f"env.restarts.left_out_ms must be 0 or larger, got {left_out_ms}")
        self.share, self.room, self.left_out_ms = share, states, left_out_ms

    def begin(self, pool: CarsAndViews, cars: int, seed: int) -> CarsAndViews:
        if self.room < cars:
            raise UserError(
                f"env.restarts.states must be at least the number of cars, {cars}, got {self.room}"
            )
        self._drawn, device = len(pool[0].over), pool[0].over.device
        self.generator = make_generator(seed, "recent states", device)
        # One row more than is drawn from takes what is not kept: choosing would be a host sync.
        self._pool = concat_rows([pool, _first_row(pool, self.room + 1)])
        self._held = _first_row(pool, cars)  # a state of each car that may be kept later
        self._holds = torch.zeros(cars, dtype=torch.bool, device=device)
        self._held_ms = torch.zeros(cars, dtype=torch.int64, device=device)
        self._kept = torch.zeros((), dtype=torch.int64, device=device)  # so far
        self._decisions = 0
        return self._pool

    def draw(self) -> Tensor:
        shape, device = (2, len(self._holds)), self.generator.device
        return torch.rand(shape, generator=self.generator, device=device)

    def rows(self, drawn: Tensor, chances: Tensor) -> Tensor:
        chosen, where = chances.unbind(0)
        filled = self._kept.clamp(max=self.room)
        recent = (chosen < self.share) & (filled > 0)
        place = torch.minimum((where * filled).long(), filled - 1)  # the product may round up
        return torch.where(recent, self._drawn + place, drawn)

    def watch(self, present: CarsAndViews, done: Tensor) -> None:
        self._holds &= ~done
        self._decisions += 1
        if self._decisions % LOOK_EVERY == 0:
            self._keep(present[0])
            self._hold(present)

    def _keep(self, drive: Drive) -> None:
        """Write what is held of races that have gained ground since, over the oldest states."""
        safe = self._holds & (drive.moment.progress.last_advance_ms - self._held_ms >= self.left_out_ms)
        turn = (self._kept + safe.cumsum(0) - 1) % self.room
        place = self._drawn + torch.where(safe, turn, self.room)
        for to, new in zip(flatten(self._pool), flatten(self._held), strict=True):
            to.index_copy_(0, place, new)
        self._kept += safe.sum()
        self._holds &= ~safe

    def _hold(self, present: CarsAndViews) -> None:
        """Remember where the cars are of which nothing is held; a start itself was not reached."""
        time_ms = present[0].moment.time_ms
        free = ~self._holds & (time_ms > 0)
        self._held = where_rows(free, begun_anew(present), self._held)
        self._held_ms = torch.where(free, time_ms, self._held_ms)
        self._holds |= free

    def state_dict(self) -> StateDict:
        recent = [leaf[self._drawn :].clone() for leaf in flatten(self._pool)]
        held = [leaf.clone() for leaf in (*flatten(self._held), *self._marks())]
        return {
            "recent": recent,
            "held": held,
            "decisions": self._decisions,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: StateDict) -> None:
        for leaf, saved in zip(flatten(self._pool), state["recent"], strict=True):
            leaf[self._drawn :].copy_(saved)
        for leaf, saved in zip((*flatten(self._held), *self._marks()), state["held"], strict=True):
            leaf.copy_(saved)
        self._decisions = int(state["decisions"])
        self.generator.set_state(state["generator"].cpu())

    def _marks(self) -> tuple[Tensor, ...]:
        return self._holds, self._held_ms, self._kept


def begun_anew(present: CarsAndViews) -> CarsAndViews:
    """Cars and what they see, as at the beginning of a race that starts where they are."""
    drive, seen = present
    counters = drive.sim.counters.clone()
    counters[:, TICK] = counters[:, HOLD] = 0
    counters[:, FINISH] = -1
    at, none = drive.moment.progress, torch.zeros_like(drive.moment.time_ms)
    progress = at._replace(furthest_zone=at.zone, furthest_metres=at.metres, last_advance_ms=none)
    new = drive._replace(
        sim=drive.sim._replace(counters=counters),
        moment=drive.moment._replace(progress=progress, time_ms=none),
        reward_sum=torch.zeros_like(drive.reward_sum),
        from_start=torch.zeros_like(drive.from_start),
        over=torch.zeros_like(drive.over),
    )
    return new, seen


def _first_row(pool: CarsAndViews, count: int) -> CarsAndViews:
    """`count` times the first row, as a place for others."""
    return take_rows(pool, torch.zeros(count, dtype=torch.int64, device=pool[0].over.device))
