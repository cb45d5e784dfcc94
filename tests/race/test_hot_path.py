"""A decision must run on the device without asking the host: no data-dependent shapes, no `.item()`."""

from __future__ import annotations

import pytest
import torch
from torch.utils._pytree import tree_map

from btr_tm.race.features import Features
from btr_tm.race.progress import advance, finish, start
from btr_tm.race.reward.moment import Moment
from btr_tm.race.reward.progress import ProgressReward
from btr_tm.race.reward.race_time import RaceTimeReward
from tests.race.shipped import camera_features, cut_offs, linesight


def decide(line, features, reward, before, history, car, action, time_ms, finished):
    """What a backend computes in this package for one decision."""
    progress = finish(advance(before.progress, line, car.position, time_ms), line, finished)
    history = features.remember(history, action, car)
    floats = features(car, progress, line, history)
    after = Moment(car, progress, time_ms, features.nearest_points(floats, car, progress, line))
    worth = reward(before, after, action, finished)
    return after, history, floats, worth, reward.potential(after), cut_offs()(progress, time_ms)


@pytest.fixture
def arguments(winding, car_at):
    """Everything `decide` takes but line, features and reward."""
    zone = torch.arange(20, 1300, 20)
    car = car_at(winding.points[zone])
    progress = start(winding, car.position)
    before = Moment(car, progress, torch.zeros_like(zone), torch.randn(len(zone), 2, 3))
    after = car._replace(position=winding.points[zone + 4])
    finished = torch.arange(len(zone)) % 7 == 0
    return before, Features().start(len(zone)), after, zone % 12, torch.full_like(zone, 50), finished


FEATURES = [Features(), camera_features()]
REWARDS = [ProgressReward(), linesight(), RaceTimeReward(1.0, 0.01, 2.0)]


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("reward", REWARDS)
def test_a_decision_never_reads_a_value(winding, arguments, features, reward):
    """Tensors of the meta device have shapes but no values: reading one raises."""
    meta = tree_map(lambda tensor: tensor.to("meta"), arguments)
    empty = decide(winding.to("meta"), features, reward, *meta)
    real = decide(winding, features, reward, *arguments)
    shapes = [tree_map(lambda tensor: (tensor.shape, tensor.dtype), result) for result in (empty, real)]
    assert shapes[0] == shapes[1]


def test_a_decision_compiles_into_one_graph(winding, arguments):
    compiled = torch.compile(decide, fullgraph=True, backend="eager")
    constants = (winding, Features(), linesight())
    torch.testing.assert_close(compiled(*constants, *arguments), decide(*constants, *arguments))
