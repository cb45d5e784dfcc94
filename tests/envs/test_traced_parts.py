"""A reward of the user that a recording would change is computed as it is written, and that is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from btr_tm.envs.plain import plain_simulator
from btr_tm.race.reward.moment import NO_COEFFICIENTS, Moment
from btr_tm.race.reward.progress import ProgressReward
from btr_tm.sim.track.load import load_track


class Own:
    """The plain reward and something of the user's."""

    ending_pays = False

    def __init__(self, more: Callable[[Moment], Tensor]) -> None:
        self.shipped, self.more = ProgressReward(), more

    def __call__(self, before, after, action, finished, coefficients=NO_COEFFICIENTS) -> Tensor:
        return self.shipped(before, after, action, finished, coefficients) + self.more(after)

    def potential(self, moment: Moment) -> Tensor:
        return self.shipped.potential(moment)

    def coefficients(self, frames: int) -> tuple[float, ...]:
        return ()


def branching(after: Moment) -> Tensor:
    speed = after.car.velocity.norm(dim=1)
    return torch.ones_like(speed) if (speed > 10).any() else torch.zeros_like(speed)


def counting() -> Callable[[Moment], Tensor]:
    calls = iter(range(10**9))
    return lambda after: torch.full_like(after.time_ms, next(calls), dtype=torch.float32)


def rewards(more: Callable[[Moment], Tensor], compile: str) -> Tensor:
    env = plain_simulator(load_track("a01"), 2, (0, 0), start_pool=2, compile=compile, reward=Own(more))
    env.reset(seed=0, options={"start": "canonical"})
    return torch.stack([env.step(torch.zeros(2, dtype=torch.int64))[1] for _ in range(60)])


def test_a_reward_that_branches_on_a_number_is_not_frozen() -> None:
    eager = rewards(branching, "eager")
    with pytest.warns(UserWarning, match=r"reads numbers from tensors \(.*test_traced_parts.py, line"):
        kernel = rewards(branching, "kernel")
    assert torch.equal(eager, kernel)
    assert (eager > 0.9).any() and (eager < 0.9).any(), "both branches are taken"


def test_a_reward_that_counts_is_not_frozen() -> None:
    with pytest.warns(UserWarning, match="another result when it is called again"):
        kernel = rewards(counting(), "kernel")
    assert kernel[-1].min() > kernel[0].max() + 50
