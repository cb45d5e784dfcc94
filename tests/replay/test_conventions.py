"""Options that paper codes and published runs differ in; through the buffer, against slow loops."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.schedule import ReplaySizeSchedule
from btr_tm.replay.buffer import Replay
from btr_tm.replay.horizon.discounted import Discounted
from btr_tm.replay.n_step import DropFinish, GammaAtInsertion, n_if_truncated
from btr_tm.replay.sampler.uniform import Uniform
from btr_tm.replay.split import Contiguous, PerTransition

from .helpers import GAMMA, PRIORITIZED, SlowReplay, build_replay, drive, linesight, potential
from .test_archive import assert_same_future, step

CARS = 3


def replay(capacity=60, **options) -> Replay:
    return build_replay(capacity, **options)


def row_of(slow: SlowReplay, frame: float) -> tuple[int, int]:
    """Car and number of the decision that began at a frame."""
    car = int(frame) // 10_000
    return car, next(i for i, row in enumerate(slow.rows[car]) if row.frame == int(frame))


@pytest.mark.parametrize("at", ["sampling", "insertion"])
def test_a_return_is_discounted_as_of_its_sampling_or_of_its_insertion(at: str) -> None:
    """Gamma is 0.5 plus a thousandth per decision of a car."""
    clock = Clock()
    horizon = Discounted(lambda frames: 0.5 + 0.001 * frames / CARS, clock)
    options = {"gamma_at": GammaAtInsertion()} if at == "insertion" else {}
    fast, slow = replay(horizon=horizon, capacity=120, **options), SlowReplay(CARS)
    for t in drive(60, CARS, torch.Generator().manual_seed(1)):
        fast.add(t)
        slow.add(t)
        clock.frames += CARS
    batch = fast.sample(300)
    for b, frame in enumerate(batch.obs.floats[:, 1].tolist()):
        car, i = row_of(slow, frame)
        run = slow.run(car, i, 3, cut=False)
        gamma = 0.5 + 0.001 * (i if at == "insertion" else 60)
        discount = 0.0 if run[-1].terminated else gamma ** len(run)
        ends = potential(torch.tensor([frame, run[-1].frame + 1.0])).tolist()
        reward = sum(gamma**j * row.reward for j, row in enumerate(run)) + discount * ends[1] - ends[0]
        assert batch.reward[b].item() == pytest.approx(reward, abs=1e-5)
        assert batch.discount[b].item() == pytest.approx(discount, abs=1e-6)


@pytest.mark.parametrize("cut", [False, True])
def test_a_return_cut_short_by_a_truncated_race_can_bootstrap_with_gamma_to_the_n(cut: bool) -> None:
    """But not one that is cut at an exploring action, or that has only just been driven."""
    fast, slow = replay(exponent=n_if_truncated, cut_at_non_greedy=cut), SlowReplay(CARS)
    met = set()
    for t in drive(80, CARS, torch.Generator().manual_seed(2), p_terminated=0.1, p_truncated=0.2):
        fast.add(t)
        slow.add(t)
        batch = fast.sample(16)
        for b, frame in enumerate(batch.obs.floats[:, 1].tolist()):
            run = slow.run(*row_of(slow, frame), 3, cut)
            truncated = run[-1].ended and not run[-1].terminated
            power = 3 if truncated else len(run)
            expected = 0.0 if run[-1].terminated else GAMMA**power
            assert batch.discount[b].item() == pytest.approx(expected)
            met.add((truncated, len(run)))
    assert {(True, 1), (True, 2), (False, 1), (False, 2), (False, 3)} <= met


def test_without_the_finish_the_decision_before_it_ends_the_race() -> None:
    fast, slow = replay(capacity=400, finish=DropFinish()), SlowReplay(CARS)
    for t in drive(70, CARS, torch.Generator().manual_seed(3)):
        fast.add(t)
        slow.add(t)
    batch = fast.sample(4000)
    sampled = dict(zip(batch.obs.floats[:, 1].int().tolist(), batch.discount.tolist(), strict=True))
    stored = {row.frame: row for rows in slow.rows for row in rows if not row.terminated}
    assert sampled.keys() == stored.keys() and len(fast) == len(stored)
    finishes = [row.frame for rows in slow.rows for row in rows if row.terminated]
    assert finishes and all(sampled.get(frame - 1, 0.0) == 0.0 for frame in finishes)


OPTIONS = {
    "dropped finish": {"finish": DropFinish()},
    "gamma at insertion": {"gamma_at": GammaAtInsertion()},
    "contiguous tests": {"split": Contiguous},
    "tests per transition": {"split": PerTransition},
    "growing capacity": {"capacity": ReplaySizeSchedule([[0, 24, 0], [45, 36, 0], [100, 60, 0]], speed=1.0)},
}
SAMPLERS = {
    "uniform": Uniform,
    "btr": PRIORITIZED,
    "linesight": linesight(latest_clock=9),
}
ALL = {key: value for options in OPTIONS.values() for key, value in options.items()}


def build(options: dict, sampler, seed: int = 0) -> tuple[Replay, Clock]:
    clock = Clock()
    return replay(**options, sampler=sampler, clock=clock, seed=seed), clock


@pytest.mark.parametrize("options", [*OPTIONS.values(), ALL], ids=[*OPTIONS, "all"])
@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_restored_buffer_behaves_like_the_saved_one(tmp_path: Path, options: dict, sampler) -> None:
    """Saved after every third decision, so that what changes behind the newest frame is written again."""
    saved, clock = build(options, sampler)
    generator = torch.Generator().manual_seed(1)
    manifests = []
    for i, t in enumerate(drive(50, CARS, generator)):
        step(saved, t, generator)
        clock.frames += CARS
        if i % 3 == 0:
            manifests = [*manifests[-1:], saved.save(tmp_path)]
            saved.prune(tmp_path, manifests)
    manifest = json.loads(json.dumps(saved.save(tmp_path)))
    restored, its_clock = build(options, sampler, seed=77)
    its_clock.frames = clock.frames
    restored.load(tmp_path, manifest)
    assert len(saved) == len(restored)
    assert_same_future(saved, restored)


@pytest.mark.parametrize("options", [*OPTIONS.values(), ALL], ids=[*OPTIONS, "all"])
@pytest.mark.parametrize("sampler", list(SAMPLERS.values())[1:], ids=list(SAMPLERS)[1:])
def test_leaves_are_positive_exactly_for_what_may_be_drawn(options: dict, sampler) -> None:
    fast, clock = build(options, sampler)
    generator = torch.Generator().manual_seed(6)
    for t in drive(70, CARS, generator):
        step(fast, t, generator)
        clock.frames += CARS
        ring = fast.ring
        alive = [
            ring.train.queue[car * ring.slots_per_car + number % ring.slots_per_car]
            for car in range(CARS)
            for number in range(int(ring.train.oldest[car]), int(ring.train.newest[car]))
        ]
        leaves = fast._sampler.state["leaves"][: ring.slots]
        assert leaves.nonzero()[:, 0].tolist() == sorted(int(slot) for slot in alive)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ({"gamma_at": GammaAtInsertion()}, "columns"),
        ({"split": Contiguous}, "split"),
        ({"block": (5,)}, "action_shape"),
    ],
)
def test_another_convention_is_refused_by_name(tmp_path: Path, here: dict, there: str) -> None:
    saved = replay()
    saved.add(next(drive(1, CARS, torch.Generator())))
    manifest = saved.save(tmp_path)
    with pytest.raises(UserError, match=f"the saved replay has {there}"):
        replay(**here).load(tmp_path, manifest)
