"""A car in the gap of a jump: its race is over, and nothing is earned after it."""

from __future__ import annotations

import pytest
import torch

from btr_tm.envs.drive import Outcome
from btr_tm.envs.execution import Compile
from btr_tm.envs.plain import plain_simulator
from btr_tm.race.reward.moment import Reward
from btr_tm.race.reward.race_time import RaceTimeReward
from btr_tm.sim.physics.road import LOST_M
from btr_tm.sim.track.load import load_track

BEFORE_JUMP_M, GAS = 735.0, 0  # of a01: the road ends 30 m later
SPEEDS_KMH = torch.tensor([80.0, 150.0, 300.0])  # too slow, and two that get across
DECISIONS = 100  # 5 s; a car that nothing ends slides on below the landing for a minute


def outcomes(compile: Compile, reward: Reward | None = None, ends: bool = True) -> list[Outcome]:
    env = plain_simulator(load_track("a01"), 3, (0, 0), start_pool=1, compile=compile, reward=reward)
    still = torch.zeros(3)
    sim = env.race.world.start(still + BEFORE_JUMP_M, still, still, SPEEDS_KMH / 3.6, still.long())
    drive, _ = env.race.begin(sim, torch.zeros(3, dtype=torch.bool), torch.zeros(3, 0))
    found = []
    for _ in range(DECISIONS):
        drive, _, outcome = env.decide(drive, torch.full((3,), GAS))
        assert torch.equal(outcome.terminated, (drive.sim.height_m < -LOST_M) & ends)
        found.append(outcome)
    return found


@pytest.mark.parametrize("compile", ["eager", "kernel"])
def test_a_car_that_falls_is_done_and_has_not_finished(compile: Compile) -> None:
    found = outcomes(compile)
    done = torch.stack([each.races.done for each in found])
    assert done.sum(0).tolist() == [1, 0, 0]
    last = found[int(done[:, 0].nonzero())]
    assert bool(last.terminated[0]) and not bool(last.truncated[0]) and not bool(last.races.finished[0])
    assert float(last.final_potential[0]) == 0.0


@pytest.mark.parametrize("compile", ["eager", "kernel"])
def test_where_every_decision_costs_a_fall_is_no_way_out(compile: Compile) -> None:
    found = outcomes(compile, RaceTimeReward(1.0, 0.0, 0.0), ends=False)
    first = next(at for at, each in enumerate(found) if bool(each.races.done[0]))
    fell = next(at for at, each in enumerate(outcomes(compile)) if bool(each.races.done[0]))
    assert bool(found[first].truncated[0]) and 30 <= first - fell <= 42  # stuck for two seconds: given up
