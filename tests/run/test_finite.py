"""Games that give NaN or infinity are named at once."""

from __future__ import annotations

import math

import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Obs
from btr_tm.run.finite import FiniteCheck


class Game:
    name, num_envs, device, layout = "Pong", 4, torch.device("cpu"), FloatLayout.full()


def seen(floats=None):
    wide = torch.zeros(4, Game.layout.size)
    return Obs(torch.zeros(4, 1, 0, 0, dtype=torch.uint8), wide if floats is None else floats)


def look(reward=0.0, potential=0.0, floats=None, final=None, car=2):
    def at_car(value):
        return torch.zeros(4).index_fill(0, torch.tensor(car), value)

    check = FiniteCheck(Game())
    info = {"final_obs": seen(final), "potential": at_car(potential)}
    check(seen(), torch.zeros(4), {"final_obs": seen(), "potential": torch.zeros(4)})
    check(seen(floats), at_car(reward), info)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_reward_is_named_with_its_car(value):
    with pytest.raises(UserError, match="Pong has given car 2 a reward that is NaN or infinite"):
        look(reward=value)
    with pytest.raises(UserError, match="Pong has given car 1 a reward"):
        look(potential=value, car=1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["floats", "final"])
def test_a_float_is_named_with_its_part(value, where):
    floats = torch.zeros(4, Game.layout.size)
    floats[3, Game.layout["velocity"].start + 1] = value
    place = Game.layout["velocity"].start + 1
    with pytest.raises(UserError, match=rf"car 3 a float {place} \(velocity 1\) that is NaN"):
        look(**{where: floats})


def test_the_largest_numbers_are_no_fault():
    look(reward=3e38, floats=torch.full((4, Game.layout.size), -3e38))


def test_a_run_stops_at_the_decision_and_keeps_its_checkpoints(tmp_path, build):
    run = build(tmp_path)
    step, count = run.collector.env.step, iter(range(10_000))

    def broken(action):
        obs, reward, *rest = step(action)
        return obs, reward.index_fill(0, torch.tensor(5), math.nan) if next(count) == 120 else reward, *rest

    run.collector.env.step = broken
    with pytest.raises(UserError, match="a line has given car 5 a reward that is NaN"):
        run.train()
    assert run.clock.frames == 120 * 8 and build(tmp_path).checkpoint.load_newest()
