"""Replay written by several collectors, each for its own cars, some of which fail."""

from __future__ import annotations

import random

import pytest
import torch

from btr_tm.core.schedule import ReplaySizeSchedule
from btr_tm.core.types import Obs, Transition
from btr_tm.replay.buffer import Replay
from btr_tm.replay.sampler.uniform import Uniform
from btr_tm.replay.split import Contiguous, NoSplit

from .helpers import PRIORITIZED, build_replay, discounted

CARS, PARTS = 6, (slice(0, 2), slice(2, 4), slice(4, 6))


def build(capacity: int | ReplaySizeSchedule, sampler=Uniform, split=NoSplit) -> Replay:
    shapes = {"cars": CARS, "image_shape": (1, 1, 1), "floats": 2}
    return build_replay(capacity, sampler=sampler, horizon=discounted(0.5), split=split, **shapes)


class Car:
    """Numbers every state of one car; knows which of its transitions ought to be held."""

    def __init__(self, name: int) -> None:
        self.name, self.count = name, 0
        self.held: list[int] = []  # state numbers of the starts
        self.open = 0

    def step(self, ends: bool) -> tuple[int, int]:
        here = self.count
        self.count += 1
        self.held.append(here)
        self.open = 0 if ends else self.open + 1
        after = self.count
        self.count += ends  # the next race begins in another state
        return here, after

    def forget(self) -> None:
        self.held = self.held[: len(self.held) - self.open]
        self.cut()

    def cut(self) -> None:
        self.open = 0
        self.count += 1


def drive(replay: Replay, cars: list[Car], part: slice, dice: random.Random) -> None:
    ends = [dice.random() < 0.15 for _ in cars[part]]
    steps = [car.step(end) for car, end in zip(cars[part], ends, strict=True)]

    def obs(column: int) -> Obs:
        floats = [[car.name, step[column]] for car, step in zip(cars[part], steps, strict=True)]
        return Obs(torch.zeros(len(ends), 1, 1, 1, dtype=torch.uint8), torch.tensor(floats).float())

    zeros = torch.zeros(len(ends))
    reward = torch.tensor([float(step[0]) for step in steps])
    over, no = torch.tensor(ends), torch.zeros(len(ends), dtype=torch.bool)
    replay.add(Transition(obs(0), zeros.long(), ~no, reward, zeros, obs(1), zeros, over, no), part)


def starts(replay: Replay) -> dict[int, set[int]]:
    """State numbers of every transition that can be drawn, by car, each checked against its return."""
    found: dict[int, set[int]] = {car: set() for car in range(CARS)}
    for queue in (replay.ring.train, replay.ring.test):
        for car in range(CARS):
            first = int(getattr(queue, "oldest", queue.newest)[car])
            for number in range(first, int(queue.newest[car])):
                slot = queue.queue[car * replay.ring.slots_per_car + number % replay.ring.slots_per_car]
                floats = replay.ring.rows["floats"][slot]
                assert floats[0] == car
                assert replay.ring.rows["start"][slot]
                found[car].add(int(floats[1]))
    return found


def assert_counted(replay: Replay) -> None:
    """What may be drawn are the starts within the window, each once."""
    ring = replay.ring
    for name, found in starts(replay).items():
        alive = torch.arange(int(ring.low[name]), int(ring.cursor[name]) + 1) % ring.slots_per_car
        held = int(ring.rows["start"][name * ring.slots_per_car + alive].sum())
        assert len(found) == held == int(ring.train.count[name] + ring.test.count[name])


@pytest.mark.parametrize("sampler", [Uniform, PRIORITIZED])
@pytest.mark.parametrize("split", [NoSplit, Contiguous])
@pytest.mark.parametrize("capacity", [60, 4000])
def test_parts_that_drive_fail_and_lose_chunks_hold_what_a_naive_list_holds(
    sampler, split, capacity, tmp_path
) -> None:
    dice, cars = random.Random(1), [Car(name) for name in range(CARS)]
    replay, other = build(capacity, sampler, split), build(capacity, sampler, split)
    for turn in range(600):
        part = dice.choice(PARTS)
        event = dice.random()
        if event < 0.03:
            replay.forget_open(part)
            [car.forget() for car in cars[part]]
        elif event < 0.06:
            replay.cut(part)
            [car.cut() for car in cars[part]]
        else:
            drive(replay, cars, part, dice)
        if turn % 60 == 59:
            manifest = replay.save(tmp_path)
            replay.prune(tmp_path, [manifest])
    other.load(tmp_path, manifest)
    for each in (replay, other):
        assert_counted(each)
        for name, found in starts(each).items():
            wanted = cars[name].held
            assert found == set(wanted[len(wanted) - len(found) :]), "the newest, without a gap"
            if capacity > 1000:
                assert len(found) == len(wanted)
    batch, again = replay.sample(512), other.sample(512)
    assert all(torch.equal(a, b) for a, b in zip(batch.obs, again.obs, strict=True))
    held = {(car.name, number) for car in cars for number in car.held}
    assert {(int(a), int(b)) for a, b in batch.obs.floats.tolist()} <= held
    length = torch.where(batch.discount > 0, -batch.discount.log2(), torch.nan)
    steps = batch.next_obs.floats[:, 1] - batch.obs.floats[:, 1]
    assert torch.equal(steps[batch.discount > 0], length[batch.discount > 0]), "no return crosses a cut"


def test_a_replay_below_its_storage_stays_exact_when_parts_fail_before_they_drive() -> None:
    """As after a resume: every part forgets its open races before it has written anything."""
    growing = ReplaySizeSchedule([[0, 60, 0], [10**6, 600, 0]], speed=1.0)
    dice, cars = random.Random(1), [Car(name) for name in range(CARS)]
    replay = build(growing, PRIORITIZED)
    for _ in range(40):
        for part in PARTS:
            replay._parts.clear()  # nothing is remembered of what a part was
            event = dice.random()
            if event < 0.2:
                replay.forget_open(part)
                [car.forget() for car in cars[part]]
            if event < 0.4:
                replay.cut(part)
                [car.cut() for car in cars[part]]
            drive(replay, cars, part, dice)
    assert_counted(replay)
    for name, found in starts(replay).items():
        assert found == set(cars[name].held[len(cars[name].held) - len(found) :])
