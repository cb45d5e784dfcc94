"""The simulator on a CPU, driven by a kernel: the numbers of `Race.decide`, in tensors changed in place.

Letters in shapes: E cars, F floats, B bytes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from btr_tm.core.kernels import Floats, Integers, ready
from btr_tm.core.threads import in_parts
from btr_tm.core.tree import Leaves, flatten, tree_map
from btr_tm.core.types import Obs, Races
from btr_tm.envs.decision_kernel import WRONG, Brought, Bytes, Present, Rules, decide, put_rows
from btr_tm.envs.drive import CarsAndViews, Drive, Outcome, Race, Seen
from btr_tm.race.actions import COUNT, check_actions
from btr_tm.race.car_arrays import CarArrays
from btr_tm.race.features_kernel import HistoryArrays, KernelObserve, can_observe
from btr_tm.race.lookup_kernel import places_read
from btr_tm.race.progress import CutOffs
from btr_tm.race.progress_kernel import KernelAdvance, ProgressArrays, can_advance
from btr_tm.race.reward.kernel import reward_numbers
from btr_tm.race.reward.moment import NO_COEFFICIENTS, ending_pays
from btr_tm.sim.grey.kernel.camera import KernelCamera, drawn_by
from btr_tm.sim.kernel_world import KernelWorld
from btr_tm.sim.physics.kernel import scratch
from btr_tm.sim.pose import COLUMNS, unpack

CARS_PER_THREAD = 512  # that are driven, which takes a millisecond


def rules_of(race: Race, actions: int = COUNT) -> Rules | None:
    """The rules for the kernel, of so many `actions`; None where a part of `race` is unknown to it."""
    reward, places = reward_numbers(race.reward), places_read(race.float_lookup, race.features)
    known = can_advance(race.line) and can_observe(race.features) and type(race.cut_offs) is CutOffs
    if reward is None or places is None or not known or not isinstance(race.world, KernelWorld):
        return None
    return Rules(
        ticks=race.world.ticks_per_action,
        course=race.world.course,
        reading=race.world.reading,
        line=KernelAdvance(race.line).line,
        ahead=KernelObserve(race.features, race.line).ahead,
        places=places,
        reward=reward,
        start_m=np.float32(race.line.start_m),
        race_ms=race.cut_offs.race_ms,
        no_progress_ms=race.cut_offs.no_progress_ms,
        no_progress_terminates=race.cut_offs.no_progress_terminates,
        falls_terminate=not ending_pays(race.reward),
        actions=actions,
    )


class Cars:
    """A copy of a Drive for the kernel to change."""

    def __init__(self, drive: Drive, race: Race) -> None:
        own = self.drive = tree_map(lambda leaf: leaf.clone(memory_format=torch.contiguous_format), drive)
        self._race = race
        poses = torch.empty(len(own.over), COLUMNS)
        self._pose, self.poses = unpack(poses), poses.numpy()
        self.present = _present(own)
        self.rows = byte_rows(own)
        self.scratch_size = own.sim.queue.shape[1], race.world.ticks_per_action
        self.draw()

    def draw(self) -> None:
        """Finds out what the races of all cars drew."""
        variation = self._race.appearance.variation(self.drive.variation)
        self.drawn = drawn_by(variation, len(self.drive.over))

    def image(self) -> Tensor:
        """What the drivers see (E, 1, H, W)."""
        camera = self._race.camera
        return camera.look(self.poses, self.drawn) if isinstance(camera, KernelCamera) else camera(self._pose)


class KernelRace:
    """`Race.decide` in place: the drive that comes back is the one handed in, changed, if it came from here.

    Any other drive is copied first, and stays as it is.
    """

    def __init__(self, race: Race, rules: Rules) -> None:
        self._race, self._rules, self._size = race, rules, race.features.layout.size
        self._cars: Cars | None = None
        self._pool: tuple[Leaves, list[Bytes]] = (), []
        # The kernel, once the types of its arguments are known.
        self._decide: Callable[..., int] | None = None
        self._some_done = False

    def __reduce__(self) -> tuple[type[KernelRace], tuple[Race, Rules]]:
        return KernelRace, (self._race, self._rules)  # tensors and arrays would no longer share their memory

    def __call__(
        self, drive: Drive, action: Tensor, coefficients: Tensor = NO_COEFFICIENTS
    ) -> tuple[Drive, Seen, Outcome]:
        """As `Race.decide`."""
        cars = self._cars
        if cars is None or drive is not cars.drive:
            cars = self._cars = Cars(drive, self._race)
        count, weights = action.shape[0], np.ascontiguousarray(coefficients.numpy(), np.float32)
        keys = np.ascontiguousarray(action.numpy(), np.int64).reshape(count, -1)
        if action.dtype != torch.int64:
            check_actions(action, self._rules.actions)
        brought = _room(count, self._size)
        done_in_parts = self._drive(cars, keys, weights, brought)
        if WRONG in done_in_parts:
            check_actions(action, self._rules.actions)  # which raises
        self._some_done = any(done_in_parts)
        floats, numbers, flags, time_ms = map(torch.from_numpy, brought)
        potential, final, reward, progress_m, reward_sum = numbers.unbind(0)
        finished, terminated, truncated, done, from_start = flags.unbind(0)
        races = Races(done, finished, time_ms, progress_m, from_start, reward_sum)
        seen = Seen(Obs(cars.image(), floats), potential)
        return cars.drive, seen, Outcome(reward, terminated, truncated, final, races)

    def _drive(self, cars: Cars, keys: Integers, weights: Floats, brought: Brought) -> list[int]:
        """As `decide` for all cars, with coefficients `weights` (K,); what it gives for each part of them."""

        always = cars.present, keys, weights, self._rules, cars.poses
        drive = self._decide = self._decide or ready(
            decide, *always, scratch(*cars.scratch_size), brought, 0, 0
        )

        def run(first: int, end: int) -> int:
            return drive(*always, scratch(*cars.scratch_size), brought, first, end)

        return in_parts(run, len(keys), CARS_PER_THREAD)

    def some_done(self, done: Tensor) -> bool:
        """Whether any race was `done` (E,) in the last decision; known without a look at the tensor."""
        return self._some_done

    def restart(self, present: CarsAndViews, done: Tensor, pool: CarsAndViews, rows: Tensor) -> CarsAndViews:
        """As `drive.restart`, in place but for what is seen."""
        cars, (drive, seen) = self._cars, present
        assert cars is not None and drive is cars.drive
        if pool is not self._pool[0]:
            self._pool = pool, byte_rows(pool)
        shown = tree_map(torch.clone, seen)
        put_rows((*cars.rows, *byte_rows(shown)), tuple(self._pool[1]), done.numpy(), rows.numpy())
        if drive.variation.shape[1]:
            cars.draw()
        return drive, shown


def _room(cars: int, floats: int) -> Brought:
    """Memory for what one decision brings; arrays, which are made in a quarter of a tensor's time."""
    return Brought(
        floats=np.empty((cars, floats), np.float32),
        numbers=np.empty((5, cars), np.float32),
        flags=np.empty((5, cars), np.bool_),
        time_ms=np.empty(cars, np.int64),
    )


def _present(drive: Drive) -> Present:
    floats, counters, queue = (values.numpy() for values in drive.sim)
    moment = drive.moment
    return Present(
        floats=floats,
        counters=counters,
        queue=queue,
        car=CarArrays(*(values.numpy() for values in moment.car)),
        progress=ProgressArrays(*(values.numpy() for values in moment.progress)),
        time_ms=moment.time_ms.numpy(),
        points=moment.points.numpy(),
        history=HistoryArrays(*(values.numpy() for values in drive.history)),
        reward_sum=drive.reward_sum.numpy(),
        from_start=drive.from_start.numpy(),
        over=drive.over.numpy(),
    )


def byte_rows(tree: Leaves) -> list[Bytes]:
    """The leaves (E, B) that have bytes, in the same memory."""
    leaves = [leaf for leaf in flatten(tree) if leaf.numel()]
    return [leaf.numpy().reshape(len(leaf), -1).view(np.uint8) for leaf in leaves]
