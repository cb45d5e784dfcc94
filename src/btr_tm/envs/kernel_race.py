"""The simulator on a CPU, driven by a kernel: the numbers of `Race.decide`, in tensors changed in place.

Letters in shapes: E cars, F floats, B bytes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from btr_tm.core.tree import Leaves, flatten, tree_map
from btr_tm.core.types import Obs, Races
from btr_tm.envs.decision_kernel import Brought, Bytes, Present, Rules, decide, put_rows
from btr_tm.envs.drive import CarsAndViews, Drive, Outcome, Race, Seen
from btr_tm.race.car_arrays import CarArrays
from btr_tm.race.features_kernel import HistoryArrays, KernelObserve, can_observe
from btr_tm.race.lookup_kernel import places_read
from btr_tm.race.progress import CutOffs
from btr_tm.race.progress_kernel import KernelAdvance, ProgressArrays, can_advance
from btr_tm.race.reward.kernel import reward_numbers
from btr_tm.race.reward.moment import NO_COEFFICIENTS
from btr_tm.sim.grey.kernel.camera import KernelCamera, drawn_by
from btr_tm.sim.kernel_world import KernelWorld
from btr_tm.sim.physics.kernel import scratch
from btr_tm.sim.pose import COLUMNS, unpack


def rules_of(race: Race) -> Rules | None:
    """The rules for the kernel, or None where a part of `race` is unknown to it."""
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
        self.scratch = scratch(own.sim.queue.shape[1], race.world.ticks_per_action)
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

    def __reduce__(self) -> tuple[type[KernelRace], tuple[Race, Rules]]:
        return KernelRace, (self._race, self._rules)  # tensors and arrays would no longer share their memory

    def __call__(
        self, drive: Drive, action: Tensor, coefficients: Tensor = NO_COEFFICIENTS
    ) -> tuple[Drive, Seen, Outcome]:
        """As `Race.decide`."""
        cars = self._cars
        if cars is None or drive is not cars.drive:
            cars = self._cars = Cars(drive, self._race)
        count = action.shape[0]
        floats, numbers = torch.empty(count, self._size), torch.empty(4, count)
        flags, time_ms = torch.empty(4, count, dtype=torch.bool), torch.empty(count, dtype=torch.int64)
        brought = Brought(floats.numpy(), numbers.numpy(), flags.numpy(), time_ms.numpy())
        keys = np.ascontiguousarray(action.numpy(), np.int64).reshape(count, -1)
        decide(cars.present, keys, coefficients.numpy(), self._rules, cars.poses, cars.scratch, brought)
        potential, reward, progress_m, reward_sum = numbers.unbind(0)
        finished, truncated, done, from_start = flags.unbind(0)
        races = Races(done, finished, time_ms, progress_m, from_start, reward_sum)
        seen = Seen(Obs(cars.image(), floats), potential)
        return cars.drive, seen, Outcome(reward, finished, truncated, races)

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
