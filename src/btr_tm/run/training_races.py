"""The fastest race that training drives from the start line, kept by its actions while cars explore.

Letters in shapes: E cars, K actions of a decision, L decisions that are remembered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.types import Chunk, Races, StateDict
from btr_tm.run.race import NO_RACE, Race

LOOK_EVERY = 128  # decisions; whether a race was fast enough is known only after waiting for the device


class NoTrainingRaces:
    """Keeps none: where races cannot be driven again from their actions."""

    def add(self, chunk: Chunk, frames: int) -> None:
        """Forgets it."""

    def take(self) -> Race:
        """A race that every other beats."""
        return NO_RACE

    def state_dict(self) -> StateDict:
        return {}

    def load_state_dict(self, state: StateDict) -> None:
        """There is nothing."""


class FastestTrainingRace:
    """Remembers what each car did last, and keeps the actions of the fastest race from the start line.

    A race that began elsewhere is no race, and one of more than `longest_ms` is not kept. Of a decision only
    its actions and the time of a finish are noted, on the device.
    """

    def __init__(self, decision_ms: int, longest_ms: int) -> None:
        self.decision_ms, self.longest = decision_ms, -(-longest_ms // decision_ms)
        self._best = NO_RACE
        self._driven: dict[str, Driven] = {}  # by the cars that are collected together
        self._restored: dict[str, Tensor] = {}  # their last decisions, until they drive on, on their device

    def add(self, chunk: Chunk, frames: int) -> None:
        """What was driven until the clock said `frames`."""
        for cars in (*chunk.lost, *chunk.cut):
            self._restored.pop(str(cars), None)
            if str(cars) in self._driven:
                self._look(self._driven.pop(str(cars)))  # what comes next does not follow
        if not chunk.transitions:
            return
        key = str(chunk.cars)
        if key not in self._driven:
            last = self._restored.pop(key, None)
            self._driven[key] = Driven(chunk.transitions[0].action, self.longest, last)
        driven = self._driven[key]
        for transition, races in zip(chunk.transitions, chunk.races, strict=True):
            driven.add(transition.action, races, frames)
            if len(driven.unseen) == LOOK_EVERY:
                self._look(driven)

    def take(self) -> Race:
        """The fastest race so far, without action values and metres; NO_RACE if none came home."""
        for driven in self._driven.values():
            self._look(driven)
        return self._best

    def _look(self, driven: Driven) -> None:
        """Keep the fastest of the races that ended since the last look, if it is faster than any before."""
        for finish in driven.take_finishes():
            decisions = self._decisions(finish.time_ms)
            if decisions <= min(finish.decision, self.longest):
                actions = driven.actions_until(finish.decision, decisions)[:, finish.car]
                race = Race(actions, True, finish.time_ms, 0.0, finish.frames, exploring=True)
                self._best = max(self._best, race, key=Race.rank)

    def _decisions(self, time_ms: int) -> int:
        return -(-time_ms // self.decision_ms)

    def state_dict(self) -> StateDict:
        best = self.take()
        needed = self._decisions(best.time_ms) if best.finished else self.longest
        driven = {cars: each.actions_until(each.count, needed) for cars, each in self._driven.items()}
        driven |= self._restored
        return {"best": best._asdict(), "driven": {cars: last.byte() for cars, last in driven.items()}}

    def load_state_dict(self, state: StateDict) -> None:
        self._best, self._driven, self._restored = Race(**state["best"]), {}, dict(state["driven"])


class Finish(NamedTuple):
    """A race from the start line came home."""

    time_ms: int
    car: int
    decision: int  # how many were driven until then
    frames: int


class Driven:
    """The last L decisions of E cars, one of which looks like `action` (E,) or (E, K); L >= `longest`."""

    def __init__(self, action: Tensor, longest: int, last: Tensor | None = None) -> None:
        shape, device = (longest + LOOK_EVERY, *action.shape), action.device
        self.actions = torch.zeros(shape, dtype=torch.uint8, device=device)  # (L, E[, K]), over and over
        self.times_ms = torch.zeros(LOOK_EVERY, len(action), dtype=torch.int64, device=device)  # 0: no finish
        self.unseen: list[int] = []  # frames of the decisions since the last look
        self.count = 0
        if last is not None:
            self.actions[: len(last)], self.count = last, len(last)

    def add(self, action: Tensor, races: Races, frames: int) -> None:
        """One more decision of every car."""
        home = races.done & races.finished & races.from_start
        torch.mul(races.time_ms, home, out=self.times_ms[len(self.unseen)])
        self.actions[self.count % len(self.actions)] = action
        self.unseen.append(frames)
        self.count += 1

    def take_finishes(self) -> Iterator[Finish]:
        """Those since the last look."""
        times_ms = self.times_ms[: len(self.unseen)].cpu()
        first, frames, self.unseen = self.count - len(self.unseen), self.unseen, []
        for row, car in times_ms.nonzero().tolist():
            yield Finish(int(times_ms[row, car]), car, first + row + 1, frames[row])

    def actions_until(self, decision: int, count: int) -> Tensor:
        """The `count` decisions up to number `decision` on the CPU, (count, E[, K]) int64; fewer at first."""
        rows = torch.arange(max(0, decision - count), decision, device=self.actions.device)
        return self.actions[rows % len(self.actions)].cpu().long()
