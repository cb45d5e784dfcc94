"""What the present policy has driven since the last update, in order of time; each update takes it all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from btr_tm.core.block import Block
from btr_tm.core.errors import UserError
from btr_tm.core.memory import refuse_too_much
from btr_tm.core.tree import flatten, tree_map, unflatten
from btr_tm.core.types import Batch, Obs, StateDict, Transition
from btr_tm.replay.horizon.segment import Horizon, Segment

ALL = slice(None)


class Rollout:
    """Holds up to `steps` decisions of each of `cars` cars; `sample` hands them out and begins anew.

    Rewards hold their shaping, discounts are those of `horizon` for one decision.
    """

    on_policy = True

    def __init__(
        self,
        *,
        steps: int,
        cars: int,
        image_shape: tuple[int, ...],
        floats: int,
        block: Block,
        horizon: Horizon,
        device: str | torch.device,
        generator: torch.Generator,
    ) -> None:
        if steps < 1:
            raise UserError(f"replay.steps must be 1 or larger, got {steps}")
        self.steps, self.cars = steps, cars
        self.capacity = steps * cars
        self._horizon, self._generator = horizon, generator
        row = _bytes(_empty((1, 1), image_shape, floats, block, "meta"))
        what = f"rollouts of {self.capacity:,} decisions"
        refuse_too_much(row * self.capacity, torch.device(device), what, "replay.steps", steps)
        self._rows = _empty((steps, cars), image_shape, floats, block, device)
        self._count = self._filled = 0  # rows since the last update, and rows that were ever written

    def __len__(self) -> int:
        """Decisions since the last update."""
        return self._count * self.cars

    @property
    def bytes_per_transition(self) -> float:
        """Allocated memory divided by the capacity."""
        return _bytes(self._rows) / self.capacity

    def add(self, transition: Transition, cars: slice = ALL) -> None:
        """Store one decision of each car."""
        assert cars == ALL, "a rollout is driven by one collector"
        assert self._count < self.steps, "the rollout is full"
        tree_map(lambda rows, new: rows[self._count].copy_(new), self._rows, transition)
        self._count += 1
        self._filled = max(self._filled, self._count)

    def cut(self, cars: slice) -> None:
        """What `cars` do next does not follow what they did last."""
        if self._count:
            self._rows.truncated[self._count - 1, cars] = True

    def forget_open(self, cars: slice) -> None:
        """Take back the rows after the last one in which the races of all `cars` ended."""
        ended = self._ended()[:, cars].all(1).nonzero()
        self._count = int(ended[-1]) + 1 if len(ended) else 0

    def _ended(self) -> Tensor:
        """(T, E) bool."""
        return (self._rows.terminated | self._rows.truncated)[: self._count]

    def sample(self, batch_size: int) -> Batch:
        """All decisions since the last call, T E rows; they are overwritten by those to come."""
        assert self._count, "nothing to learn from: the rollout is empty"
        ended = self._ended().clone()
        rows = tree_map(lambda leaf: leaf[: self._count].flatten(0, 1), self._rows)
        ones = torch.ones_like(rows.action.reshape(len(rows.reward), -1)[:, 0])
        potentials = rows.potential, rows.next_potential
        gamma = self._horizon.current_gamma
        segment = Segment(rows.reward[:, None], ones, rows.terminated, *potentials, gamma, ones)
        found = self._horizon(segment, self._generator)
        self._count = 0
        index = torch.arange(len(ones), device=ones.device)
        weight = torch.ones_like(found.reward)
        returns = found.reward, found.discount
        return Batch(rows.obs, rows.action, *returns, rows.next_obs, weight, index, ended=(ended,))

    def sample_test(self, batch_size: int) -> Batch:
        """Nothing is set aside."""
        raise NotImplementedError

    def update_priorities(self, index: Tensor, priority: Tensor) -> None:
        """Nothing is drawn twice."""

    def draw_states(self, count: int, generator: torch.Generator) -> tuple[Obs, Tensor]:
        """`count` observations of this rollout or the one before, drawn uniformly, and the actions there."""
        device = self._rows.reward.device
        slots = torch.randint(self._filled * self.cars, (count,), generator=generator, device=device)
        place = slots // self.cars, slots % self.cars
        return tree_map(lambda leaf: leaf[place], self._rows.obs), self._rows.action[place]

    def measure(self) -> dict[str, Tensor | float]:
        return {"size": float(len(self)), "capacity": float(self.capacity)}

    def save(self, folder: str | Path) -> StateDict:
        """The rows since the last update: they are few enough for the checkpoint itself; no file."""
        leaves = [leaf[: self._count].to("cpu", copy=True) for leaf in flatten(self._rows)]
        return {"rows": leaves}

    def undo_save(self) -> None:
        """No file was written."""

    def load(self, folder: str | Path, manifest: StateDict) -> None:
        self._count = self._filled = len(manifest["rows"][0])
        saved = unflatten(self._rows, list(manifest["rows"]))
        tree_map(lambda rows, old: rows[: self._count].copy_(old), self._rows, saved)

    @staticmethod
    def prune(folder: str | Path, manifests: Iterable[StateDict]) -> None:
        """No file was written."""


def _bytes(rows: Transition) -> int:
    return sum(leaf.numel() * leaf.element_size() for leaf in flatten(rows))


def _empty(
    size: tuple[int, int],
    image_shape: tuple[int, ...],
    floats: int,
    block: Block,
    device: str | torch.device,
) -> Transition:
    """Rows (T, E) of transitions."""

    def make(dtype: torch.dtype, *shape: int) -> Tensor:
        return torch.zeros(*size, *shape, dtype=dtype, device=device)

    def obs() -> Obs:
        return Obs(make(torch.uint8, *image_shape), make(torch.float32, floats))

    def number() -> Tensor:
        return make(torch.float32)

    def mark() -> Tensor:
        return make(torch.bool)

    decided = obs(), make(torch.int64, *block), mark(), number(), number()
    return Transition(*decided, obs(), number(), mark(), mark())
