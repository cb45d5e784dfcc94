"""The kernel writes the floats that the feature sets compute, to the bit."""

from __future__ import annotations

import pytest
import torch

from btr_tm.race.car import CarState
from btr_tm.race.features import CameraFeatures, Features, History
from btr_tm.race.features_kernel import KernelObserve, can_observe
from btr_tm.race.progress import Progress
from btr_tm.race.reference_line import ReferenceLine
from tests.race.shipped import camera_features


def any_car(cars: int, draw: torch.Generator) -> CarState:
    def some(*shape: int) -> torch.Tensor:
        return 20 * torch.randn(cars, *shape, generator=draw)

    def flag(*shape: int) -> torch.Tensor:
        return torch.randint(2, (cars, *shape), generator=draw).float()

    surface = torch.randint(5, (cars, 4), generator=draw)
    wheels = flag(4), flag(4), some(4), surface
    return CarState(some(3), some(3, 3), some(3), some(3), *wheels, flag(), some(), some(), flag())


def any_progress(line: ReferenceLine, cars: int, draw: torch.Generator) -> Progress:
    zone = torch.randint(1, line.finish_zone + 1, (cars,), generator=draw)
    metres = line.total_m * torch.rand(cars, generator=draw)
    return Progress(zone, zone, metres, metres, zone)


KINDS = [Features(), Features(line_points=7, previous_actions=25, point_step=3), camera_features(3)]
KINDS += [Features(line_points=2, previous_actions=1), Features(action_delay=True)]


@pytest.mark.parametrize("features", KINDS, ids=["published", "closer", "camera", "least", "delay"])
@pytest.mark.parametrize("block", [(), (4,)], ids=["one action", "a block"])
def test_floats_and_history_are_those_of_the_reference(
    winding: ReferenceLine, features: Features | CameraFeatures, block: tuple[int, ...]
) -> None:
    observe = KernelObserve(features, winding)
    for cars in (1, 2, 7, 33, 256):
        draw = torch.Generator().manual_seed(cars)
        car, progress = any_car(cars, draw), any_progress(winding, cars, draw)
        keys = torch.randint(2, (cars, features.previous_actions, 4), generator=draw).float()
        busy = torch.randint(5, (cars,), generator=draw).float()
        before = History(keys, busy, torch.rand(cars, generator=draw))
        action = torch.randint(12, (cars, *block), generator=draw)
        ours, floats = observe(before, action, car, progress)
        theirs = features.remember(before, action, car)
        expected = features(car, progress, winding, theirs)
        for a, b in zip((*ours, floats), (*theirs, expected), strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype and a.numpy().tobytes() == b.numpy().tobytes()


def test_features_of_others_are_left_to_them() -> None:
    class Mine(Features):
        def __call__(self, *arguments: object) -> torch.Tensor:
            return torch.zeros(1, 1)

    assert can_observe(Features()) and not can_observe(Mine())
