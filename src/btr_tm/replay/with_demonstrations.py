"""A replay beside which demonstrations are kept: a share of every batch is theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from btr_tm.core.protocols import ReplayBuffer
from btr_tm.core.tree import concat_rows, tree_map
from btr_tm.core.types import Batch, Obs, StateDict, Transition
from btr_tm.replay.demo_file import Demonstrations

LANES = 16  # rows of the ring that demonstrations fill side by side, so that it is filled quickly
OWN, DEMOS = "own", "demos"


class WithDemonstrations:
    """`own` holds what the run drives, `demos` what others drove: they stay whatever is added to `own`.

    Of a batch the rounded `share` comes from `demos`. With a share of 1 nothing of `own` is drawn or kept.
    """

    def __init__(self, own: ReplayBuffer, demos: ReplayBuffer, share: float) -> None:
        assert 0.0 < share <= 1.0, share
        self.own, self.demos, self.share = own, demos, share
        self._alone = share == 1.0
        self._asked = demos if self._alone else own

    @property
    def capacity(self) -> int:
        return self.own.capacity + self.demos.capacity

    @property
    def bytes_per_transition(self) -> float:
        bytes_ = sum(each.bytes_per_transition * each.capacity for each in (self.own, self.demos))
        return bytes_ / self.capacity

    def add(self, transition: Transition, cars: slice = slice(None)) -> None:
        if not self._alone:
            self.own.add(transition, cars)

    def cut(self, cars: slice) -> None:
        if not self._alone:
            self.own.cut(cars)

    def forget_open(self, cars: slice) -> None:
        if not self._alone:
            self.own.forget_open(cars)

    def sample(self, batch_size: int) -> Batch:
        count = self._of_demos(batch_size)
        if count == 0 or count == batch_size:
            return (self.demos if count else self.own).sample(batch_size)
        return concat_rows([self.own.sample(batch_size - count), self.demos.sample(count)])

    def _of_demos(self, batch_size: int) -> int:
        return round(self.share * batch_size)

    def sample_test(self, batch_size: int) -> Batch:
        return self._asked.sample_test(batch_size)

    def update_priorities(self, index: Tensor, priority: Tensor) -> None:
        own = len(index) - self._of_demos(len(index))
        if own:
            self.own.update_priorities(index[:own], priority[:own])
        if own < len(index):
            self.demos.update_priorities(index[own:], priority[own:])

    def draw_states(self, count: int, generator: torch.Generator) -> tuple[Obs, Tensor]:
        return self._asked.draw_states(count, generator)

    def measure(self) -> dict[str, Tensor | float]:
        return self._asked.measure()

    def save(self, folder: str | Path) -> StateDict:
        with ExitStack() as undo:  # where one cannot be written, the files of the other go, too
            manifest = {}
            for name, part in self._parts():
                manifest[name] = part.save(_made(folder, name))
                undo.callback(part.undo_save)
            undo.pop_all()
        return manifest

    def undo_save(self) -> None:
        for _, part in self._parts():
            part.undo_save()

    def load(self, folder: str | Path, manifest: StateDict) -> None:
        for name, part in self._parts():
            part.load(_made(folder, name), manifest[name])

    def prune(self, folder: str | Path, manifests: Iterable[StateDict]) -> None:
        kept = list(manifests)
        for name, part in self._parts():
            part.prune(_made(folder, name), [manifest[name] for manifest in kept])

    def _parts(self) -> Iterator[tuple[str, ReplayBuffer]]:
        if not self._alone:
            yield OWN, self.own
        yield DEMOS, self.demos


def _made(folder: str | Path, name: str) -> Path:
    """The folder of one of the two, below that of the replay."""
    path = Path(folder) / name
    path.mkdir(parents=True, exist_ok=True)
    return path


class Lanes:
    """Races of `demos` one after the other in `count` lanes; a lane that is short begins again."""

    def __init__(self, demos: Demonstrations) -> None:
        self.demos, races = demos, len(demos.length)
        self.count = min(LANES, races)
        ends = demos.length.cumsum(0)
        rows = [
            torch.arange(int(end - length), int(end)) for end, length in zip(ends, demos.length, strict=True)
        ]
        lanes = [torch.cat(rows[first :: self.count]) for first in range(self.count)]
        self.steps = max(map(len, lanes))
        repeated = [lane.repeat(-(-self.steps // len(lane)))[: self.steps] for lane in lanes]
        self._rows = torch.stack(repeated, 1)  # (T, L) decisions
        self._race = torch.repeat_interleave(torch.arange(races), demos.length)
        self._last = torch.zeros(len(self._race), dtype=torch.bool)
        self._last[ends - 1] = True
        self.capacity = self.count * (self.steps + int(self._last[self._rows].sum(0).max()) + 4)

    def fill(self, replay: ReplayBuffer, device: torch.device) -> ReplayBuffer:
        """`replay`, which has as many cars as there are lanes, with all of them."""
        for rows in self._rows:
            replay.add(self._transition(rows, device))
        return replay

    def _transition(self, rows: Tensor, device: torch.device) -> Transition:
        """Decisions `rows` (L,) and their successors."""
        demos, state = self.demos, rows + self._race[rows]
        last = self._last[rows]
        terminated = demos.terminated[self._race[rows]] & last
        found = Transition(
            obs=Obs(demos.image[state], demos.floats[state]),
            action=demos.action[rows].long(),
            greedy=~demos.mixed[rows],
            reward=demos.reward[rows],
            potential=demos.potential[state],
            next_obs=Obs(demos.image[state + 1], demos.floats[state + 1]),
            next_potential=demos.potential[state + 1],
            terminated=terminated,
            truncated=last & ~terminated,
        )
        return tree_map(lambda leaf: leaf.to(device), found)
