"""A replay whose capacity grows in steps, within storage for the largest."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.schedule import ReplaySizeSchedule
from btr_tm.replay.sampler.uniform import Uniform
from btr_tm.replay.split import Contiguous

from .helpers import LINESIGHT, PRIORITIZED, SlowReplay, drive
from .test_buffer import check_against
from .test_conventions import CARS, replay

STEPS = ReplaySizeSchedule([[0, 12, 0], [60, 30, 0], [150, 45, 0]], speed=1.0)


class SlowGrowing:
    """Keeps, of every car, the newest frames that fit; what has gone does not come back when it grows."""

    def __init__(self) -> None:
        self.drove = SlowReplay(CARS)
        self.gone = [0] * CARS  # decisions of each car

    def add(self, t, capacity: int) -> None:
        self.drove.add(t)
        for car in range(CARS):
            live = self.drove.live(car, -(-capacity // CARS) + 1)
            self.gone[car] = max(self.gone[car], live[0] if live else len(self.drove.rows[car]))

    def live(self) -> set[int]:
        return {row.frame for car in range(CARS) for row in self.drove.rows[car][self.gone[car] :]}


@pytest.mark.parametrize("sampler", [Uniform, PRIORITIZED, LINESIGHT])
@pytest.mark.parametrize("split", [False, True])
def test_exactly_what_fits_the_present_step_can_be_sampled(sampler, split: bool) -> None:
    clock, slow = Clock(), SlowGrowing()
    fast = replay(STEPS, sampler=sampler, clock=clock, **({"split": Contiguous} if split else {}))
    assert fast.capacity == 45
    for t in drive(70, CARS, torch.Generator().manual_seed(4)):
        fast.add(t)
        slow.add(t, STEPS(clock.frames).capacity)
        clock.frames += CARS
        batch = fast.sample(8)
        fast.update_priorities(batch.index, torch.ones(8))
        check_against(slow.drove, batch, 3, cut=False)
        assert len(fast) + int(fast.ring.test.count.sum()) == len(slow.live())
        assert set(batch.obs.floats[:, 1].int().tolist()) <= slow.live()
        if clock.frames % 30 == 0 and not split:
            assert set(fast.sample(900).obs.floats[:, 1].int().tolist()) == slow.live()
