"""A race by dynamic programming over cloned cars.

The track is cut into slices. Of all cars that come to a slice in the same situation (aside, heading, speed)
only the one that would leave it first goes on, cloned once per action. Cars are compared at equal places, not
at equal times: a car that brakes for a curve is kept, as its speed makes it another situation.
Letters in shapes: C cars.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.sim.physics.state import SimState
from btr_tm.sim.starts import Starts
from btr_tm.sim.world import World

DRIVEN = (0, 1, 2, 3, 6, 7, 8)  # rows of race.actions.TABLE worth trying: gas or brake with steering, coast
NEVER = 1 << 40  # ticks
FALLEN_M = -0.5  # height of cars in the gap of a jump
SLOW_MPS = 5.0  # cars below are taken to leave their slice at this speed


class Situation(NamedTuple):
    """Where and how cars drive, all (C,)."""

    s_m: Tensor
    aside_m: Tensor
    heading: Tensor  # sine of the angle to the road, > 0 to the right
    speed_mps: Tensor


@dataclass(frozen=True)
class Grid:
    """What counts as the same situation, and when a car is given up."""

    aside_m: float = 2.0
    heading: float = 0.08
    speed_mps: float = 3.0
    slice_m: float = 2.0
    behind_s: float = 0.5  # after the first car of the slice
    blur_s: float = (
        0.02  # random, of the comparison: else copies of the best car replace all that left its path
    )
    cars: int = 2000  # kept per decision at most, half of them drawn at random: the first ones brake too late

    def finer(self, factor: float) -> Grid:
        """The same with cells and blur divided by `factor`."""
        names = ("aside_m", "heading", "speed_mps", "blur_s")
        return dataclasses.replace(self, **{name: getattr(self, name) / factor for name in names})


class Anywhere:
    """Every car is near enough: the first search has no run to stay near."""

    def holds(self, here: Situation) -> Tensor:
        """(C,) bool, all True."""
        return torch.ones_like(here.s_m, dtype=torch.bool)


@dataclass(frozen=True, eq=False)
class Around:
    """Near a run: cars farther from it are given up."""

    run: Situation  # one row per decision
    aside_m: float = 3.0
    heading: float = 0.12
    speed_mps: float = 5.0

    def holds(self, here: Situation) -> Tensor:
        """(C,) bool, whether each car is near the run at its arc length."""
        nearest = torch.searchsorted(self.run.s_m, here.s_m).clamp(max=len(self.run.s_m) - 1)
        radii = (self.aside_m, self.heading, self.speed_mps)
        inside = [
            (mine - run[nearest]).abs() < radius
            for mine, run, radius in zip(here[1:], self.run[1:], radii, strict=True)
        ]
        return torch.stack(inside).all(0)


class Cars(NamedTuple):
    """Cars on the way to a slice."""

    state: SimState
    parent: Tensor  # (C,) int64, node they were cloned from
    action: Tensor  # (C,) int64, what they did since

    def rows(self, rows: Tensor) -> Cars:
        """Some of them."""
        state = SimState(*(values[rows] for values in self.state))
        return Cars(state, self.parent[rows], self.action[rows])


class Search:
    """One pass over the track. `run` may be called once."""

    def __init__(self, world: World, grid: Grid, near: Anywhere | Around, generator: torch.Generator) -> None:
        self._world, self._grid, self._near, self._generator = world, grid, near, generator
        self._slices: dict[int, list[Cars]] = {}
        self._tree = _Tree()
        self._best_tick, self._best_node = NEVER, -1

    def run(self) -> Tensor:
        """Actions (T,) int64, one per decision, of the first car at the finish from the canonical start;
        T is 0 if none came there.
        """
        root = torch.zeros(1, dtype=torch.int64)
        self._sort_in(Cars(Starts(self._world).canonical(1), root - 1, root), 0)
        for place in range(int(self._world.track.finish_m / self._grid.slice_m) + 1):
            first_s = float("inf")
            while waiting := self._slices.pop(place, None):  # slow cars take several decisions per slice
                cars = _joined(waiting)
                leaves_s = _leaving_time(cars.state, (place + 1) * self._grid.slice_m)
                first_s = min(first_s, float(leaves_s.min()))
                self._drive_on(cars.rows(self._select(cars.state, leaves_s, first_s)), place)
        return self._tree.trace(self._best_node)

    def _select(self, state: SimState, leaves_s: Tensor, first_s: float) -> Tensor:
        """Rows of the cars that go on."""
        here = situation(self._world, state)
        alive = (
            (leaves_s < first_s + self._grid.behind_s) & (state.height_m > FALLEN_M) & self._near.holds(here)
        )
        rows = torch.nonzero(alive & (state.tick < self._best_tick)).flatten()
        blur = torch.rand(len(rows), generator=self._generator) * self._grid.blur_s
        score = leaves_s[rows] + blur
        kept = _first_of_each(self._cells(here)[rows], score)
        half = self._grid.cars // 2
        first, others = kept[score[kept].argsort()].split([min(half, len(kept)), max(0, len(kept) - half)])
        drawn = torch.randperm(len(others), generator=self._generator)[:half]
        return rows[torch.cat([first, others[drawn]])]

    def _cells(self, here: Situation) -> Tensor:
        """(C,) int64, equal for cars in the same situation; the grid is shifted at random each time."""
        sizes = torch.tensor([self._grid.aside_m, self._grid.heading, self._grid.speed_mps])
        shift = torch.rand(3, 1, generator=self._generator)
        aside, heading, speed = (torch.stack(here[1:]) / sizes[:, None] + shift).floor().long() + 512
        return (aside * 2048 + heading) * 2048 + speed

    def _drive_on(self, cars: Cars, place: int) -> None:
        """One decision of each clone of `cars`."""
        node, actions = self._tree.add(cars), torch.tensor(DRIVEN)
        state = SimState(*(values.repeat_interleave(len(actions), 0) for values in cars.state))
        done = actions.repeat(len(node))
        clones = Cars(self._world.step(state, done), node.repeat_interleave(len(actions)), done)
        finish = clones.state.finish_tick
        finished = torch.where(finish >= 0, finish, NEVER)
        if len(finished) and int(finished.min()) < self._best_tick:
            self._best_tick = int(finished.min())
            self._best_node = int(self._tree.add(clones.rows(finished.argmin().view(1))))
        self._sort_in(clones.rows(torch.nonzero(finish < 0).flatten()), place)

    def _sort_in(self, cars: Cars, earliest: int) -> None:
        places = (cars.state.s_m / self._grid.slice_m).long().clamp(min=earliest)
        for place in places.unique().tolist():
            rows = torch.nonzero(places == place).flatten()
            self._slices.setdefault(place, []).append(cars.rows(rows))


class _Tree:
    """Parent and action of every car that went on."""

    def __init__(self) -> None:
        self._parents: list[Tensor] = []
        self._actions: list[Tensor] = []
        self._count = 0

    def add(self, cars: Cars) -> Tensor:
        """Numbers (C,) of the new nodes."""
        self._parents.append(cars.parent.int())
        self._actions.append(cars.action.to(torch.int8))
        self._count += len(cars.parent)
        return torch.arange(self._count - len(cars.parent), self._count)

    def trace(self, node: int) -> Tensor:
        """Actions from the root, node 0, to `node`; none for -1."""
        parents, taken, actions = torch.cat(self._parents), torch.cat(self._actions), []
        while node > 0:
            actions.append(int(taken[node]))
            node = int(parents[node])
        return torch.tensor(actions[::-1], dtype=torch.int64)


def situation(world: World, state: SimState) -> Situation:
    """What the search compares."""
    right = world.track.at(state.s_m).right
    return Situation(
        state.s_m.contiguous(), state.d_m, (state.forward * right).sum(1), state.velocity.norm(dim=1)
    )


def _leaving_time(state: SimState, end_m: float) -> Tensor:
    """Race time in s at which each car will be at `end_m` if it keeps its speed."""
    return state.tick * 0.01 + (end_m - state.s_m) / state.velocity.norm(dim=1).clamp(min=SLOW_MPS)


def _first_of_each(group: Tensor, score: Tensor) -> Tensor:
    """Indices of the lowest score in each group."""
    order = score.argsort(stable=True)
    order = order[group[order].argsort(stable=True)]
    ordered = group[order]
    fresh = torch.ones_like(ordered, dtype=torch.bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    return order[fresh]


def _joined(parts: list[Cars]) -> Cars:
    state = SimState(*(torch.cat(values) for values in zip(*(part.state for part in parts), strict=True)))
    return Cars(state, torch.cat([part.parent for part in parts]), torch.cat([part.action for part in parts]))
