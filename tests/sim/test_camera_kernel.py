"""The camera that is a loop for the CPU, against the reference in torch operations."""

from __future__ import annotations

import math

import pytest
import torch

from btr_tm.sim.appearance import NO_VARIATION
from btr_tm.sim.grey.camera import Camera
from btr_tm.sim.grey.kernel.camera import KernelCamera
from btr_tm.sim.starts import Starts
from btr_tm.sim.track.flat import oval_track, straight_track
from btr_tm.sim.track.load import load_track, shipped_tracks
from btr_tm.sim.world import World
from tests.sim.varied import varied_appearance

# Rounding puts a texel, an edge of the fence or of a gate into the next place now and then.
BY_ONE, BY_MORE = 5e-4, 5e-5  # share of the pixels


def driven(track, cars: int = 64, steps: int = 25, seed: int = 0):
    """Poses of cars that start anywhere and press anything."""
    world, generator = World(track), torch.Generator().manual_seed(seed)
    state = Starts(world).training(cars, 1.0, generator)
    for _ in range(steps):
        state = world.step(state, torch.randint(0, 12, (cars,), generator=generator))
    return world.pose(state)


def assert_alike(track, pose, size=(64, 64), variation=NO_VARIATION, by_more: float = BY_MORE) -> None:
    expected = Camera(track, *size)(pose, variation)
    found = KernelCamera(track, *size)(pose, variation)
    assert found.shape == expected.shape and found.dtype == torch.uint8
    off = (found.int() - expected.int()).abs()
    assert (off == 1).float().mean() <= BY_ONE and (off > 1).float().mean() <= by_more, off.amax((1, 2, 3))


@pytest.mark.parametrize("name", shipped_tracks())
@pytest.mark.parametrize("varied", [False, True])
def test_pictures_are_those_of_the_reference(name: str, varied: bool) -> None:
    track = load_track(name)
    appearance = varied_appearance()
    drawn = appearance.draw(256, torch.Generator().manual_seed(1))
    assert_alike(track, driven(track, 256), variation=appearance.variation(drawn) if varied else NO_VARIATION)


@pytest.mark.parametrize("size", [(40, 40), (32, 48), (90, 160), (8, 8)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    track = load_track("hills")
    assert_alike(track, driven(track, 64), size, by_more=1e-3 if size == (8, 8) else 1e-4)


def test_cars_that_look_anywhere_or_lie_below_the_road() -> None:
    for track in (straight_track(), oval_track(), load_track("hills")):
        pose = driven(track, 64)
        for yaw in (0.5 * math.pi, math.pi, -2.0):
            turned = pose.forward.clone()
            turned[:, 0] = math.cos(yaw) * pose.forward[:, 0] + math.sin(yaw) * pose.forward[:, 2]
            turned[:, 2] = math.cos(yaw) * pose.forward[:, 2] - math.sin(yaw) * pose.forward[:, 0]
            assert_alike(
                track, pose._replace(forward=turned, velocity=torch.zeros_like(turned)), by_more=2e-4
            )
        # Where the eye is below the road, rounding decides what it sees, in the reference too.
        below = torch.tensor([0.0, 2.5, 0.0])
        fallen = pose._replace(position=pose.position - below, height_m=pose.height_m - 2.5)
        assert_alike(track, fallen, by_more=5e-3 if track.name == "hills" else 2e-4)


def test_a_later_lap_is_that_of_the_reference() -> None:
    track = oval_track()
    pose = driven(track, 64)
    assert_alike(track, pose._replace(s_m=pose.s_m + 3 * track.length_m))


def test_a_car_has_the_same_picture_alone_and_among_others_on_one_thread_and_on_several() -> None:
    track = load_track("a01")
    pose, camera = driven(track, 33), KernelCamera(track)
    together = camera(pose)
    for row in (0, 7, 32):
        assert torch.equal(
            camera(type(pose)(*(values[row : row + 1] for values in pose))), together[row : row + 1]
        )
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert torch.equal(camera(pose), together)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
def test_a_state_that_is_no_number_gives_some_picture(value: float) -> None:
    track = oval_track()
    pose, camera = driven(track, 8), KernelCamera(track)
    for field in pose._fields:
        broken = pose._replace(**{field: torch.full_like(getattr(pose, field), value)})
        assert camera(broken).shape == (8, 1, 64, 64)
