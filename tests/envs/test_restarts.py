"""Races that begin where the cars have been lately, against a loop over every decision and car."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.tree import flatten, take_rows, tree_map
from btr_tm.envs.drive import CarsAndViews
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.restarts import LOOK_EVERY, RecentRestarts, begun_anew
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.race.progress import CutOffs
from btr_tm.sim.track.load import load_track

CARS, POOL, STATES, LEFT_OUT_MS = 6, 8, 16, 600
SOON = CutOffs(race_ms=2_500, no_progress_ms=700)


def simulator(share: float = 0.5, compile: str = "eager", image=(0, 0), **options: Any) -> SimVectorEnv:
    restarts = RecentRestarts(share, STATES, LEFT_OUT_MS)
    usual = {"cut_offs": SOON, "start_pool": POOL, "anywhere_share": 1.0, "restarts": restarts}
    return plain_simulator(load_track("oval"), CARS, image, compile=compile, **(usual | options))


History = list[tuple[CarsAndViews, Tensor, list[Tensor]]]


def drive(env: SimVectorEnv, decisions: int, seed: int = 1) -> History:
    """After every decision: cars and views, who was done, and all that the step gave."""
    draw, found = torch.Generator().manual_seed(seed), []
    for _ in range(decisions):
        action = torch.randint(env.actions, (CARS,), generator=draw)
        action = torch.where(torch.rand(CARS, generator=draw) < 0.7, 0, action)
        obs, *rest, info = env.step(action)
        kept = tree_map(torch.clone, (env._drive, env._seen))
        given = [leaf.clone() for leaf in flatten((obs, tuple(rest), tuple(info.values())))]
        found.append((kept, info["races"].done.clone(), given))
    return found


def recent_of(env: SimVectorEnv) -> CarsAndViews:
    return take_rows(env._pool, torch.arange(POOL, POOL + STATES))


def expected_states(history: History) -> dict[int, tuple[CarsAndViews, int]]:
    """By place in the ring: cars and views of a decision, and the car."""
    places: dict[int, tuple[CarsAndViews, int]] = {}
    held: dict[int, tuple[CarsAndViews, int]] = {}
    written = 0
    for number, (present, done, _) in enumerate(history, start=1):
        for car in range(CARS):
            if done[car]:
                held.pop(car, None)
        if number % LOOK_EVERY:
            continue
        moment = present[0].moment
        for car in range(CARS):
            if car in held and int(moment.progress.last_advance_ms[car]) - held[car][1] >= LEFT_OUT_MS:
                places[written % STATES] = (held.pop(car)[0], car)
                written += 1
        for car in range(CARS):
            if car not in held and int(moment.time_ms[car]) > 0:
                held[car] = (present, int(moment.time_ms[car]))
    assert written > STATES, "some were overwritten"
    return places


def test_the_states_kept_are_those_that_a_loop_over_all_cars_keeps() -> None:
    env = simulator()
    env.reset(seed=3)
    places = expected_states(drive(env, 320))
    drive_kept, seen_kept = recent_of(env)
    assert len(places) == STATES
    for place, ((state, seen), car) in places.items():
        assert torch.equal(drive_kept.sim.floats[place], state.sim.floats[car])
        assert drive_kept.sim.counters[place].tolist() == [0, -1, int(state.sim.next_gate[car]), 0]
        progress, was = drive_kept.moment.progress, state.moment.progress
        assert torch.equal(progress.zone[place], was.zone[car])
        assert torch.equal(progress.furthest_metres[place], was.metres[car])
        assert int(drive_kept.moment.time_ms[place]) == int(progress.last_advance_ms[place]) == 0
        assert torch.equal(seen_kept.obs.floats[place], seen.obs.floats[car])
        assert torch.equal(seen_kept.potential[place], seen.potential[car])
        assert not drive_kept.from_start[place] and not drive_kept.over[place]


def test_a_race_from_a_kept_state_goes_on_as_the_one_that_was_there() -> None:
    env = simulator()
    env.reset(seed=3)
    drive(env, 100)
    action = torch.zeros(CARS, dtype=torch.int64)
    before = env.drive
    anew, _ = begun_anew((before, env._seen))
    one, seen, _ = env.race.decide(before, action)
    other, seen_anew, outcome = env.race.decide(anew, action)
    assert torch.equal(one.sim.floats, other.sim.floats) and torch.equal(
        seen.obs.floats, seen_anew.obs.floats
    )
    assert outcome.races.time_ms.tolist() == [50] * CARS


def test_half_of_the_restarts_are_at_kept_states_and_all_are_before_there_are_any() -> None:
    restarts = RecentRestarts(0.5, STATES, LEFT_OUT_MS)
    env = simulator(restarts=restarts)
    env.reset(seed=3)
    drawn = torch.arange(CARS) % POOL
    assert torch.equal(restarts.rows(drawn, restarts.draw()), drawn)
    restarts._kept += 5
    rows = torch.cat([restarts.rows(drawn, restarts.draw()) for _ in range(500)])
    recent = rows >= POOL
    assert 0.45 < float(recent.float().mean()) < 0.55
    assert set(rows[recent].tolist()) == set(range(POOL, POOL + 5)), "never one that is not filled"
    restarts._kept += 1000
    rows = torch.cat([restarts.rows(drawn, restarts.draw()) for _ in range(500)])
    assert int(rows.max()) == POOL + STATES - 1


def test_with_a_share_of_none_races_are_the_same_to_the_bit_as_without() -> None:
    ours, theirs = simulator(share=0.0), simulator(restarts=None)
    for env in (ours, theirs):
        env.reset(seed=3)
    for one, other in zip(drive(ours, 120), drive(theirs, 120), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[2], other[2], strict=True))


def test_the_kernel_gives_the_same_races_to_the_bit() -> None:
    ours, theirs = simulator(compile="kernel"), simulator()
    for env in (ours, theirs):
        env.reset(seed=3)
    for one, other in zip(drive(ours, 320), drive(theirs, 320), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[2], other[2], strict=True))
    assert int(ours.restarts._kept) > STATES
    pairs = zip(flatten(recent_of(ours)), flatten(recent_of(theirs)), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_saved_simulator_goes_on_with_the_same_states() -> None:
    one, other = simulator(image=(20, 20)), simulator(image=(20, 20))
    one.reset(seed=3)
    drive(one, 125)
    state = one.state_dict()
    first = drive(one, 80, seed=2)
    other.load_state_dict(state)
    for a, b in zip(first, drive(other, 80, seed=2), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a[2], b[2], strict=True))


def test_evaluations_start_as_ever() -> None:
    ours, theirs = simulator(share=1.0), simulator(restarts=None)
    ours.reset(seed=3)
    drive(ours, 100)
    kept = int(ours.restarts._kept)
    for env in (ours, theirs):
        env.reset(options={"start": "evaluation"})
    for one, other in zip(drive(ours, 30), drive(theirs, 30), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[2], other[2], strict=True))
    assert int(ours.restarts._kept) == kept


@pytest.mark.parametrize(
    ("share", "states", "left_out_ms", "sentence"),
    [
        (1.5, 64, 2000, "env.restarts.share must be from 0 to 1, got 1.5"),
        (0.5, 64, -1, "env.restarts.left_out_ms must be 0 or larger, got -1"),
        (0.5, 3, 2000, "env.restarts.states must be at least the number of cars, 6, got 3"),
    ],
)
def test_numbers_that_cannot_work_are_refused(share, states, left_out_ms, sentence) -> None:
    with pytest.raises(UserError, match=sentence):
        simulator(restarts=RecentRestarts(share, states, left_out_ms)).reset()
