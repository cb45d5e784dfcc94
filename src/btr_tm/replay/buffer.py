"""The replay buffer: ring, sampler and horizon put together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from btr_tm.core.block import Block
from btr_tm.core.clock import Clock
from btr_tm.core.schedule import ReplaySizeSchedule
from btr_tm.core.types import Batch, Obs, States, Step, Transition
from btr_tm.replay.archive import Archive, Manifest, prune
from btr_tm.replay.horizon.segment import Horizon, Return, Segment
from btr_tm.replay.images import Images, WholeImages
from btr_tm.replay.n_step import (
    BootstrapExponent,
    Finish,
    GammaAt,
    GammaAtSampling,
    NStepPath,
    StoreFinish,
    follow,
    steps_summed,
)
from btr_tm.replay.ring import Marks, Ring
from btr_tm.replay.sampler.sampler import SamplerFactory
from btr_tm.replay.split import NoSplit, Split, SplitFactory

ALL = slice(None)


class Replay:
    """Holds up to `capacity` transitions of `cars` cars and samples n-step batches.

    Every race that ends costs one slot for its final frame, so a full buffer holds a little less than
    `capacity`: 2 % less where races last 50 decisions. A capacity that grows over the frames of `clock` needs
    the storage of its largest step from the start. `generator` must live on `device`. Actions are those of a
    decision of shape `block`; `states="all"` adds to batches what lies between the ends of a return.
    """

    def __init__(
        self,
        capacity: int | ReplaySizeSchedule,
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
        clock: Clock | None = None,
        split: SplitFactory = NoSplit,
        finish: Finish = StoreFinish(),  # noqa: B008 (no state)
        gamma_at: GammaAt = GammaAtSampling(),  # noqa: B008 (no state)
        exponent: BootstrapExponent = steps_summed,
        images: Images = WholeImages(),  # noqa: B008 (no state)
    ) -> None:
        assert n_step >= 1, n_step
        self._sizes = ReplaySizeSchedule([[0, capacity, 0]]) if isinstance(capacity, int) else capacity
        self.capacity = self._sizes.largest
        self._clock = clock or Clock()
        self._split = split(cars, generator)
        shapes = (self.capacity, cars, image_shape, floats, device, block)
        self.ring = Ring(*shapes, gamma_at.columns, self._split.queue, images)
        self._parts: dict[tuple[int, int], tuple[Ring, Split]] = {}
        self._n_step, self._inner = n_step, range(1, n_step) if states == "all" else range(0)
        self._sampler = sampler(self.ring, generator, self._clock)
        self._horizon, self._gamma_at, self._exponent = horizon, gamma_at, exponent
        self._generator, self._cut_at_non_greedy, self._finish = generator, cut_at_non_greedy, finish
        changed = max(finish.slots_changed, images.history)
        self._archive = Archive(self.ring, self._sampler, self._split, changed, generator)

    def __len__(self) -> int:
        return len(self.ring)

    @property
    def bytes_per_transition(self) -> float:
        """Allocated memory divided by the capacity."""
        tensors = [*self.ring.rows.values(), *self.ring.state.values(), *self._sampler.state.values()]
        return sum(t.numel() * t.element_size() for t in tensors) / self.capacity

    def add(self, transition: Transition, cars: slice = ALL) -> None:
        """Store one decision of each car, or of each of those in `cars`."""
        (ring, split), greedy = self._part(cars), transition.greedy
        marks = Marks(
            continues=greedy if self._cut_at_non_greedy else torch.ones_like(greedy),
            kept=self._finish(ring, transition),
            test=split((transition.terminated | transition.truncated).to(ring.device)),
            columns=self._gamma_at.stored(self._horizon.present_gamma, ring),
        )
        self._sampler.added(ring.write(transition, marks))

    def cut(self, cars: slice) -> None:
        """What `cars` do next does not follow what they did last: something between was lost."""
        self._sampler.added(self._part(cars)[0].cut())

    def forget_open(self, cars: slice) -> None:
        """Take back what is stored of the races that `cars` are in: nobody will see their ends."""
        ring = self._part(cars)[0]
        slots = [ring.open(car) for car in range(ring.cars)]
        self._archive.mark_changed(cars, [len(each) for each in slots])
        self._sampler.added(ring.forget(slots))

    def _part(self, cars: slice) -> tuple[Ring, Split]:
        """What writes for `cars`, with the window of this moment."""
        key = (cars.start, cars.stop)
        if cars != ALL and key not in self._parts:
            self._parts[key] = self.ring.part(cars), self._split.part(cars)
        ring, split = (self.ring, self._split) if cars == ALL else self._parts[key]
        ring.window = self.ring.window_for(self._sizes(self._clock.frames).capacity)
        return ring, split

    def sample(self, batch_size: int) -> Batch:
        """A batch drawn with replacement; no host sync."""
        assert self.ring.writes.count > 0, "nothing to sample: the replay is empty"
        return self._batch(*self._sampler.draw(batch_size))

    def sample_test(self, batch_size: int) -> Batch:
        """A batch of what is never trained on, drawn uniformly; weights are NaN while there is nothing."""
        queue = self.ring.test
        weight = torch.where(queue.count.sum() > 0, 1.0, math.nan).expand(batch_size)
        return self._batch(queue.draw(batch_size, self._generator), weight)

    def _batch(self, slot: Tensor, weight: Tensor) -> Batch:
        ring, horizon = self.ring, self._horizon
        path = follow(ring, slot, self._n_step)
        answer = horizon(self._segment(slot, path), self._generator)
        obs, next_obs = ring.observe(slot), ring.observe(path.end)
        return Batch(
            obs=obs._replace(floats=horizon.stamp(obs.floats, answer.clock)),
            action=ring.rows["action"][slot].long(),
            reward=answer.reward,
            discount=answer.discount,
            next_obs=next_obs._replace(floats=horizon.stamp(next_obs.floats, answer.next_clock)),
            weight=weight,
            index=self._sampler.index(slot, answer.clock),
            inner=tuple(self._step(path, answer, number) for number in self._inner),
        )

    def _segment(self, slot: Tensor, path: NStepPath) -> Segment:
        ring, potential = self.ring, self.ring.rows["potential"]
        gamma = self._gamma_at(self._horizon.present_gamma, ring, slot)
        ends = potential[slot], potential[path.end]
        return Segment(path.rewards, path.length, path.terminated, *ends, gamma, self._exponent(ring, path))

    def _step(self, path: NStepPath, answer: Return, number: int) -> Step:
        """Decision `number` of the returns, counted from 0."""
        slot = path.slots[:, number]
        obs = self.ring.observe(slot)
        floats = self._horizon.stamp(obs.floats, answer.clock + number)
        action = self.ring.rows["action"][slot].long()
        return Step(obs._replace(floats=floats), action, answer.powers[:, number])

    def draw_states(self, count: int, generator: torch.Generator) -> tuple[Obs, Tensor]:
        """`count` stored observations, drawn uniformly by `generator`, and the actions taken there.

        As the driver saw them, whatever clock the horizon gives samples.
        """
        slot = self.ring.train.draw(count, generator)
        return self.ring.observe(slot), self.ring.rows["action"][slot].long()

    def measure(self) -> dict[str, Tensor | float]:
        """How full the memory is, and the health of its priorities; a host sync."""
        capacity = float(self._sizes(self._clock.frames).capacity)
        return {"size": float(len(self)), "capacity": capacity, **self._sampler.measure()}

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
