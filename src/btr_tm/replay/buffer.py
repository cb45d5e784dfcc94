"""The replay buffer: ring, sampler and horizon put together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from btr_tm.core.block import Block
from btr_tm.core.types import Batch, States, Step, Transition
from btr_tm.replay.archive import Archive, Manifest, prune
from btr_tm.replay.horizon.segment import Horizon, Return, Segment
from btr_tm.replay.nstep import Reach, reach
from btr_tm.replay.ring import Ring
from btr_tm.replay.sampler.sampler import SamplerFactory


class Replay:
    """Holds up to `capacity` transitions of `cars` cars and samples n-step batches.

    Every race that ends costs one slot for its final frame, so a full buffer holds a little less than
    `capacity`: 2 % less where races last 50 decisions. `generator` must live on `device`. A decision is an
    action, or with `block` (K,) K of them. `states` are those of an n-step return that batches hold.
    """

    def __init__(
        self,
        capacity: int,
        cars: int,
        image_shape: tuple[int, ...],
        floats: int,
        n_step: int,
        sampler: SamplerFactory,
        horizon: Horizon,
        device: str | torch.device,
        generator: torch.Generator,
        cut_at_non_greedy: bool = False,
        block: Block = (),
        states: States = "ends",
    ) -> None:
        assert n_step >= 1, n_step
        self.capacity = capacity
        self.ring = Ring(capacity, cars, image_shape, floats, device, block)
        self._n_step = n_step
        self._inner = range(1, n_step) if states == "all" else range(0)
        self._sampler = sampler(self.ring, generator)
        self._horizon = horizon
        self._generator = generator
        self._cut_at_non_greedy = cut_at_non_greedy
        self._archive = Archive(self.ring, self._sampler, generator)

    def __len__(self) -> int:
        return len(self.ring)

    @property
    def bytes_per_transition(self) -> float:
        """Allocated memory divided by the capacity."""
        tensors = [*self.ring.rows.values(), *self.ring.state.values(), *self._sampler.state.values()]
        return sum(t.numel() * t.element_size() for t in tensors) / self.capacity

    def add(self, transition: Transition) -> None:
        """Store one decision of each car."""
        greedy = transition.greedy
        through = greedy if self._cut_at_non_greedy else torch.ones_like(greedy)
        self._sampler.added(self.ring.write(transition, through))

    def sample(self, batch_size: int) -> Batch:
        """A batch drawn with replacement; no host sync."""
        assert self.ring.adds > 0, "nothing to sample: the replay is empty"
        ring, horizon = self.ring, self._horizon
        slot, weight = self._sampler.draw(batch_size)
        run = reach(ring, slot, self._n_step)
        potential = ring.rows["potential"]
        segment = Segment(run.rewards, run.length, run.terminated, potential[slot], potential[run.end])
        answer = horizon(segment, self._generator)
        obs, next_obs = ring.observe(slot), ring.observe(run.end)
        return Batch(
            obs=obs._replace(floats=horizon.stamp(obs.floats, answer.clock)),
            action=ring.rows["action"][slot].long(),
            reward=answer.reward,
            discount=answer.discount,
            next_obs=next_obs._replace(floats=horizon.stamp(next_obs.floats, answer.next_clock)),
            weight=weight,
            index=slot,
            inner=tuple(self._step(run, answer, number) for number in self._inner),
        )

    def _step(self, run: Reach, answer: Return, number: int) -> Step:
        """Decision `number` of each return, counted from 0."""
        slot = run.path[:, number]
        obs = self.ring.observe(slot)
        floats = self._horizon.stamp(obs.floats, answer.clock + number)
        action = self.ring.rows["action"][slot].long()
        return Step(obs._replace(floats=floats), action, answer.powers[:, number])

    def update_priorities(self, index: Tensor, priority: Tensor) -> None:
        """Absolute errors `priority` (B,) of the batch that came with `index` (B,)."""
        self._sampler.update(index, priority)

    def save(self, folder: str | Path) -> Manifest:
        """Add files with what is new since the last save to that folder; returns the manifest, plain values.

        The state is saved once the caller has stored the manifest. OSError leaves every earlier save intact.
        """
        return self._archive.save(Path(folder))

    def load(self, folder: str | Path, manifest: Manifest) -> None:
        """Restore what `save` wrote, bit for bit, random generator included; UserError if it does not fit."""
        self._archive.load(Path(folder), manifest)

    @staticmethod
    def prune(folder: str | Path, manifests: Iterable[Manifest]) -> None:
        """Remove replay files that none of the manifests, those of the checkpoints that are kept, needs."""
        prune(Path(folder), manifests)
