"""Stacks put together from single planes, beside the same driving remembered whole."""

from __future__ import annotations

import json
import random
from functools import partial

import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.core.schedule import ReplaySizeSchedule
from btr_tm.core.tree import flatten
from btr_tm.core.types import Batch, Obs, Step, Transition
from btr_tm.replay.buffer import Replay
from btr_tm.replay.images import FrameStacks, WholeImages, images_of
from btr_tm.replay.n_step import DropFinish, StoreFinish
from btr_tm.replay.sampler.uniform import Uniform
from btr_tm.replay.split import Contiguous, NoSplit

from .helpers import PRIORITIZED, build_replay

CARS, FRAMES, SIZE = 4, 4, (2, 3)
PARTS = (slice(0, 2), slice(2, 4))
GROWING = ReplaySizeSchedule([[0, 28, 0], [200, 60, 0], [500, 100, 0]], speed=1.0)


class Roomy(WholeImages):
    """Whole images in as many slots as planes take, so that both draw the same ones."""

    history = FRAMES - 1


class Camera:
    """One car: its frames are numbered, and it shows the last four of its race, the first repeated."""

    def __init__(self, name: int) -> None:
        self.frame = name * 100_000
        self.begin()

    def begin(self) -> None:
        self.frame += 1
        self.shown = [self.frame] * FRAMES

    def go_on(self) -> None:
        self.frame += 1
        self.shown = [*self.shown[1:], self.frame]


def seen(cars: list[Camera]) -> Obs:
    number = torch.tensor([car.shown for car in cars])[:, :, None] // 9 ** torch.arange(6) % 9
    floats = torch.tensor([[car.frame, len(set(car.shown))] for car in cars]).float()
    return Obs(number.to(torch.uint8).view(-1, FRAMES, *SIZE), floats)


def decide(cars: list[Camera], dice: random.Random, p_end: float) -> Transition:
    obs, count = seen(cars), len(cars)
    for car in cars:
        car.go_on()
    after = seen(cars)
    fate = torch.tensor([dice.random() / p_end for _ in cars])
    for car, over in zip(cars, (fate < 1).tolist(), strict=True):
        if over:
            car.begin()
    reward = torch.tensor([dice.random() for _ in cars])
    greedy, zero = fate * p_end < 0.7, torch.zeros(count)
    action = torch.tensor([dice.randrange(12) for _ in cars])
    return Transition(obs, action, greedy, reward, zero, after, zero, fate < 0.6, (fate >= 0.6) & (fate < 1))


def happen(replays: list[Replay], cars: list[Camera], dice: random.Random, p_end: float) -> None:
    """Some cars drive; now and then what they drove is lost, or they fail and begin anew."""
    part, event = dice.choice((*PARTS, slice(None))), dice.random()
    if event < 0.04:
        for car in cars[part]:
            for _ in range(dice.randrange(1, 6)):  # nobody hears of it
                car.go_on()
        [replay.cut(part) for replay in replays]
    elif event < 0.08:
        [car.begin() for car in cars[part]]
        [replay.forget_open(part) for replay in replays]
    transition = decide(cars[part], dice, p_end)
    for replay in replays:
        replay.add(transition, part)
        replay._clock.frames += len(cars[part])


def build(images, capacity=40, sampler=Uniform, **options) -> Replay:
    known = {"cars": CARS, "image_shape": (FRAMES, *SIZE), "floats": 2}
    return build_replay(capacity, sampler=sampler, images=images, **(known | options))


def meant(batch: Batch) -> Batch:
    """Without what decisions after the end of a return say, which counts for nothing, and without slots."""

    def counting(step: Step) -> Step:
        late = step.discount == 0
        return step._replace(obs=Obs(*(part[~late] for part in step.obs)), action=step.action[~late])

    return batch._replace(index=torch.zeros(0), inner=tuple(map(counting, batch.inner)))


def assert_alike(one: Replay, other: Replay, batch_size: int = 16) -> set[int]:
    """Returns how many different frames there were in the stacks."""
    left, right = one.sample(batch_size), other.sample(batch_size)
    for a, b in zip(flatten(meant(left)), flatten(meant(right)), strict=True):
        assert torch.equal(a, b)
    priority = torch.linspace(0, 1, batch_size)
    one.update_priorities(left.index, priority)
    other.update_priorities(right.index, priority)
    return set(left.obs.floats[:, 1].int().tolist())


@pytest.mark.parametrize("sampler", [Uniform, PRIORITIZED])
@pytest.mark.parametrize("capacity", [16, 40, GROWING, 5000], ids=["16", "40", "growing", "5000"])
@pytest.mark.parametrize("finish", [StoreFinish(), DropFinish()], ids=["stored", "dropped"])
@pytest.mark.parametrize("p_end", [0.5, 0.05])
def test_planes_and_whole_images_give_the_same_batches(sampler, capacity, finish, p_end: float) -> None:
    """Around the ring many times, through ends of races, lost decisions and forgotten races."""
    dice, cars = random.Random(3), [Camera(name) for name in range(CARS)]
    options = {"finish": finish, "sampler": sampler, "states": "all", "cut_at_non_greedy": True}
    planes, whole = (build(images, capacity, **options) for images in (FrameStacks(FRAMES), Roomy()))
    ages: set[int] = set()
    for _ in range(100):
        happen([planes, whole], cars, dice, p_end)
        ages |= assert_alike(planes, whole)
    assert ages == {1, 2, 3, 4}, "stacks of one to four different frames were met"


def test_the_batches_are_those_of_the_whole_images_that_others_keep() -> None:
    """Without the room: where all of it is held, uniform draws do not depend on slots."""
    dice, cars = random.Random(4), [Camera(name) for name in range(CARS)]
    options = {"split": Contiguous, "n_step": 1}
    planes, whole = (build(images_of(frames), 5000, **options) for frames in (FRAMES, 1))
    assert isinstance(whole.ring.images, WholeImages)
    for _ in range(120):
        happen([planes, whole], cars, dice, 0.1)
        assert_alike(planes, whole)
        for a, b in zip(planes.sample_test(4).obs, whole.sample_test(4).obs, strict=True):
            assert torch.equal(a, b) or not planes.ring.test.count.any()
        draw = (torch.Generator().manual_seed(5) for _ in range(2))
        (a, _), (b, _) = (replay.draw_states(8, next(draw)) for replay in (planes, whole))
        assert torch.equal(a.image, b.image)


@pytest.mark.parametrize(("images", "slots"), [(WholeImages(), 1), (FrameStacks(FRAMES), FRAMES)])
def test_a_cut_takes_no_more_slots_than_the_next_stack_needs(images, slots: int) -> None:
    replay = build(images)
    replay.add(decide([Camera(name) for name in range(CARS)], random.Random(0), 1e-9))
    before = replay.ring.cursor.clone()
    replay.cut(PARTS[0])
    assert (replay.ring.cursor - before).tolist() == [slots, slots, 0, 0]


def test_a_car_first_seen_in_the_middle_of_a_race_shows_what_it_saw_before() -> None:
    cars = [Camera(name) for name in range(CARS)]
    for car in cars:
        for _ in range(7):
            car.go_on()
    planes, dice = build(FrameStacks(FRAMES)), random.Random(0)
    want = seen(cars).image
    planes.add(decide(cars, dice, 1e-9))
    batch = planes.sample(64)
    assert torch.equal(batch.obs.image, want[batch.obs.floats[:, 0].int() // 100_000])


@pytest.mark.parametrize("between_saves", [1, 4, 37])
def test_a_restored_ring_of_planes_goes_on_alike(tmp_path, between_saves: int) -> None:
    """Saved also right after something was lost, when the slots before what comes next are still empty."""
    dice, cars = random.Random(between_saves), [Camera(name) for name in range(CARS)]
    fresh = partial(build, FrameStacks(FRAMES), 40, PRIORITIZED)
    planes, whole = fresh(), build(Roomy(), 40, PRIORITIZED)
    manifests = []
    for turn in range(100):
        happen([planes, whole], cars, dice, 0.1)
        if turn % between_saves == 0:
            lost = dice.random() < 0.3
            for car in cars[PARTS[0]] * lost:
                car.go_on()
            [replay.cut(PARTS[0]) for replay in (planes, whole) if lost]
            manifests = [*manifests[-1:], json.loads(json.dumps(planes.save(tmp_path)))]
            planes.prune(tmp_path, manifests)
            if turn % 3 == 0:
                planes = fresh(seed=turn)
                planes.load(tmp_path, manifests[-1])
                planes._clock.frames = whole._clock.frames
        assert_alike(planes, whole)


def test_whole_images_are_not_resumed_as_planes(tmp_path) -> None:
    with pytest.raises(UserError, match="slots_per_car|columns"):
        build(FrameStacks(FRAMES)).load(tmp_path, build(WholeImages()).save(tmp_path))


def test_a_transition_takes_little_more_than_a_plane() -> None:
    shape = (4, 84, 84)
    planes, whole = (
        build(images_of(frames), 4_000, image_shape=shape, floats=0, split=NoSplit) for frames in (4, 1)
    )
    assert planes.bytes_per_transition < 1.01 * 84 * 84 + 64 < whole.bytes_per_transition / 3.9


def test_images_of_one_frame_are_stored_whole_and_stacks_as_frames() -> None:
    assert isinstance(images_of(1), WholeImages)
    assert all(images_of(frames) == FrameStacks(frames) for frames in (2, 4))
