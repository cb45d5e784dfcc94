"""The replay buffer: ring, sampler and horizon put together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from btr_tm.core.block import Block
from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.schedule import ReplaySizeSchedule
from btr_tm.core.types import Batch, Obs, States, Step, Transition
from btr_tm.replay.archive import Archive, Manifest, prune
from btr_tm.replay.horizon.segment import Horizon, Return, Segment
from btr_tm.replay.images import Images
from btr_tm.replay.n_step import BootstrapExponent, Finish, GammaAt, NStepPath, follow
from btr_tm.replay.ring import Marks, Ring
from btr_tm.replay.sampler.sampler import SamplerFactory
from btr_tm.replay.split import Split, SplitFactory

ALL = slice(None)


class Replay:
    """Holds up to `capacity` transitions of `cars` cars and samples n-step batches.

    Every race that ends costs one slot for its final frame, so a full replay holds a little less than
    `capacity`: 2 % less where races last 50 decisions. A capacity that grows over the frames of `clock` needs
    the storage of its largest step from the start. `generator` must live on `device`. `block` is the shape of
    a decision; with `states="all"` batches also hold the decisions between the ends of a return. `demo_share`
    is that of a batch which demonstrations are to take (`with_demonstrations`).
    """

    def __init__(
        self,
        *,
        capacity: ReplaySizeSchedule,
        cars: int,
        image_shape: tuple[int, ...],
        floats: int,
        n_step: int,
        sampler: SamplerFactory,
        horizon: Horizon,
        device: str | torch.device,
        generator: torch.Generator,
        cut_at_non_greedy: bool,
        block: Block,
        states: States,
        clock: Clock,
        split: SplitFactory,
        finish: Finish,
        gamma_at: GammaAt,
        exponent: BootstrapExponent,
        images: Images,
        demo_share: float,
    ) -> None:
        if not 0.0 <= demo_share <= 1.0:
            raise UserError(f"replay.demo_share must be from 0 to 1, got {demo_share}")
        assert n_step >= 1, n_step
        self.demo_share = demo_share
        device, generator = self._place(device, generator)
        self._sizes, self._clock = capacity, clock
        self.capacity = capacity.largest
        self._split = split(cars, generator)
        shapes = (self.capacity, cars, image_shape, floats, device, block)
        self.ring = Ring(*shapes, gamma_at.columns, self._split.queue, images)
        self._parts: dict[tuple[int, int], tuple[Ring, Split]] = {}
        self._n_step, self._inner = n_step, range(1, n_step) if states == "all" else range(0)
        self._sampler = sampler(self.ring, generator, clock)
        self._horizon, self._gamma_at, self._exponent = horizon, gamma_at, exponent
        self._generator, self._cut_at_non_greedy, self._finish = generator, cut_at_non_greedy, finish
        changed = max(finish.slots_changed, images.history)
        self._archive = Archive(self.ring, self._sampler, self._split, changed, generator)

    def _place(
        self, device: str | torch.device, generator: torch.Generator
    ) -> tuple[str | torch.device, torch.Generator]:
        """Where the storage lies, and the generator that draws from it."""
        return device, generator

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
            columns=self._gamma_at.stored(self._horizon.current_gamma, ring),
        )
        self._sampler.added(ring.write(transition, marks))

    def cut(self, cars: slice) -> None:
        """What `cars` do next does not follow what they did last: something between was lost."""
        self._sampler.added(self._part(cars)[0].cut())

    def forget_open(self, cars: slice) -> None:
        """Take back what is stored of the races that `cars` are in, whose ends are lost."""
        ring = self._part(cars)[0]
        slots = [ring.open(car) for car in range(ring.cars)]
        self._archive.mark_changed(cars, [len(each) for each in slots])
        self._sampler.added(ring.forget(slots))

    def _part(self, cars: slice) -> tuple[Ring, Split]:
        """Ring and split for `cars`, the ring with the window that the capacity has now."""
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
        """A batch of what is never trained on, drawn uniformly; weights are NaN while there is none."""
        queue = self.ring.test
        weight = torch.where(queue.count.sum() > 0, 1.0, math.nan).expand(batch_size)
        return self._batch(queue.draw(batch_size, self._generator), weight)

    def _batch(self, slot: Tensor, weight: Tensor) -> Batch:
        ring, horizon = self.ring, self._horizon
        path = follow(ring, slot, self._n_step)
        found = horizon(self._segment(slot, path), self._generator)
        obs, next_obs = ring.observe(slot), ring.observe(path.end)
        return Batch(
            obs=obs._replace(floats=horizon.write_clock(obs.floats, found.clock)),
            action=ring.rows["action"][slot].long(),
            reward=found.reward,
            discount=found.discount,
            next_obs=next_obs._replace(floats=horizon.write_clock(next_obs.floats, found.next_clock)),
            weight=weight,
            index=self._sampler.index(slot, found.clock),
            inner=tuple(self._step(path, found, number) for number in self._inner),
        )

    def _segment(self, slot: Tensor, path: NStepPath) -> Segment:
        ring, potential = self.ring, self.ring.rows["potential"]
        gamma = self._gamma_at(self._horizon.current_gamma, ring, slot)
        ends = potential[slot], potential[path.end]
        return Segment(path.rewards, path.length, path.terminated, *ends, gamma, self._exponent(ring, path))

    def _step(self, path: NStepPath, found: Return, number: int) -> Step:
        """Decision `number` of the returns, counted from 0."""
        slot = path.slots[:, number]
        obs = self.ring.observe(slot)
        floats = self._horizon.write_clock(obs.floats, found.clock + number)
        action = self.ring.rows["action"][slot].long()
        return Step(obs._replace(floats=floats), action, found.powers[:, number])

    def draw_states(self, count: int, generator: torch.Generator) -> tuple[Obs, Tensor]:
        """`count` stored observations, drawn uniformly by `generator`, and the actions taken there.

        The floats are as the driver saw them: no clock of a mini-race is written into them.
        """
        slot = self.ring.train.draw(count, generator)
        return self.ring.observe(slot), self.ring.rows["action"][slot].long()

    def measure(self) -> dict[str, Tensor | float]:
        """How full the replay is, how old a batch is, and how priorities are distributed; a host sync."""
        capacity = float(self._sizes(self._clock.frames).capacity)
        held: dict[str, Tensor | float] = {"size": float(len(self)), "capacity": capacity}
        return {**held, "age": self._mean_age(), **self._sampler.measure()}

    def _mean_age(self) -> Tensor:
        """Frames driven since the transitions of a batch were, on average; (), 0 if there is none."""
        odds = self._sampler.odds()
        return (odds * self.ring.age()).sum() / odds.sum().clamp_min(1e-30) * self.ring.cars

    def update_priorities(self, index: Tensor, priority: Tensor) -> None:
        """Absolute errors `priority` (B,) of the batch that came with `index` (B,)."""
        self._sampler.update(index, priority)

    def save(self, folder: str | Path) -> Manifest:
        """Add files to that folder with what is new since the last save; returns the manifest, plain values.

        The save counts once the caller has stored the manifest. OSError leaves every earlier save intact.
        """
        return self._archive.save(Path(folder))

    def undo_save(self) -> None:
        """Remove the files of the last save, whose manifest could not be stored."""
        self._archive.undo()

    def load(self, folder: str | Path, manifest: Manifest) -> None:
        """Restore what `save` wrote, bit for bit, with the random generator; UserError if it does not fit."""
        self._archive.load(Path(folder), manifest)

    @staticmethod
    def prune(folder: str | Path, manifests: Iterable[Manifest]) -> None:
        """Remove replay files that none of the manifests needs: those of the checkpoints that are kept."""
        prune(Path(folder), manifests)
