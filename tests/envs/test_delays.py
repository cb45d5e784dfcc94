"""Each race of each car draws how late its actions reach the car."""

from __future__ import annotations

from typing import Any

import gymnasium
import pytest
import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.tree import flatten
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.restarts import RecentRestarts
from btr_tm.envs.scripted import ScriptedRaces
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.race.features import Features
from btr_tm.race.progress import CutOffs
from btr_tm.report.redrive import per_tick, redrive
from btr_tm.sim.delays import delayed, delays_of
from btr_tm.sim.physics.state import NO_ACTION
from btr_tm.sim.track.flat import straight_track
from btr_tm.sim.track.load import load_track

SOON = CutOffs(race_ms=600, no_progress_ms=300)


def simulator(delay: Any, cars: int = 32, **options: Any) -> SimVectorEnv:
    usual = {"start_pool": 256, "compile": "kernel", "cut_offs": SOON}
    return plain_simulator(load_track("oval"), cars, (0, 0), action_delay_ticks=delay, **(usual | options))


def delays(env: SimVectorEnv) -> Tensor:
    return (env.drive.sim.queue != NO_ACTION).sum(1)


def decisions(env: SimVectorEnv, count: int, seed: int = 1) -> list[list[Tensor]]:
    draw, seen = torch.Generator().manual_seed(seed), []
    for _ in range(count):
        obs, *rest, info = env.step(torch.randint(12, (env.num_envs,), generator=draw))
        seen.append([leaf.clone() for leaf in flatten((obs, rest, tuple(info.values()), env.drive))])
    return seen


def alike(ours: list[list[Tensor]], theirs: list[list[Tensor]]) -> bool:
    return all(
        torch.equal(x, y) for a, b in zip(ours, theirs, strict=True) for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("way", ["kernel", "eager"])
@pytest.mark.parametrize("ticks", [0, 3, 8])
@pytest.mark.parametrize("start", ["training", "evaluation"])
def test_a_pair_of_equal_delays_is_that_delay(ticks: int, start: str, way: str) -> None:
    pair, number = (simulator(delay, 4, compile=way) for delay in ([ticks, ticks], ticks))
    for env in (pair, number):
        env.reset(seed=5, options={"start": start})
    assert alike(decisions(pair, 20), decisions(number, 20))


def test_races_draw_every_delay_of_the_range_and_keep_it_to_their_end() -> None:
    env, drawn = simulator([1, 4]), torch.zeros(5, dtype=torch.int64)
    env.reset()
    before = delays(env)
    for _ in range(60):
        done = env.step(torch.zeros(32, dtype=torch.int64))[4]["races"].done
        now = delays(env)
        assert torch.equal(now[~done], before[~done])
        drawn += now[done].bincount(minlength=5)
        before = now
    share = drawn / drawn.sum()
    assert drawn[0] == 0 and bool((share[1:] > 0.12).all()) and int(drawn.sum()) > 100


@pytest.mark.parametrize("way", ["kernel", "eager"])
def test_drivers_who_ask_for_it_see_the_delay_of_their_race(way: str) -> None:
    env = simulator([0, 4], compile=way, features=Features(action_delay=True))
    seen, _ = env.reset()
    assert len(delays(env).unique()) == 5
    changes = 0
    for _ in range(30):
        before, (seen, *_, info) = delays(env), env.step(torch.zeros(32, dtype=torch.int64))
        assert torch.allclose(seen.floats[:, -1], delays(env) / 100)
        assert torch.allclose(info["final_obs"].floats[:, -1], before / 100)
        changes += int((delays(env) != before).sum())
    assert changes > 10


def test_draws_come_from_the_seed_alone() -> None:
    first, again, other = (simulator([0, 4], seed=seed) for seed in (3, 3, 4))
    for env in (first, again, other):
        env.reset()
    assert torch.equal(delays(first), delays(again)) and not torch.equal(delays(first), delays(other))
    with_delay, without = simulator([0, 4], seed=3), simulator(0, seed=3)
    with_delay.reset(), without.reset()
    assert torch.equal(with_delay.drive.sim.floats, without.drive.sim.floats)  # starts are the same


@pytest.mark.parametrize("recent", [False, True])
def test_a_restored_environment_goes_on_with_the_same_delays(recent: bool) -> None:
    def kept() -> dict[str, Any]:
        patient = {"cut_offs": CutOffs(race_ms=3000, no_progress_ms=1000)}
        return patient | {"restarts": RecentRestarts(0.5, 64, 200)} if recent else {}

    env, other = simulator([0, 4], **kept()), simulator([0, 4], seed=9, **kept())
    env.reset()
    decisions(env, 90)
    other.load_state_dict(env.state_dict())
    assert len(delays(env).unique()) > 2
    assert alike(decisions(env, 90, seed=2), decisions(other, 90, seed=2))


def test_evaluations_draw_the_same_delays_in_every_run() -> None:
    ours, theirs = simulator([0, 4], seed=1), simulator([0, 4], seed=2)
    for env in (ours, theirs):
        env.reset(options={"start": "evaluation"})
    assert torch.equal(delays(ours), delays(theirs)) and len(delays(ours).unique()) == 5
    assert delays(ours)[0] == ours.action_delay_ticks == 2  # the race whose time is compared
    ours.reset(options={"start": "canonical"})
    assert delays(ours).tolist() == [2] * 32


def test_a_race_that_counts_as_one_from_the_start_can_be_driven_again_from_its_actions() -> None:
    env = plain_simulator(
        straight_track(140.0),
        24,
        (0, 0),
        256,
        action_delay_ticks=(0, 6),
        anywhere_share=0.0,
        compile="kernel",
    )
    env.reset()
    draw = torch.Generator().manual_seed(0)
    actions, counted, home = [], torch.zeros(24, dtype=torch.bool), torch.zeros(24, dtype=torch.int64)
    while not bool(home.all()):
        actions.append(torch.where(torch.rand(24, generator=draw) < 0.2, 3, 0))
        races = env.step(actions[-1])[4]["races"]
        first = races.done & (home == 0)
        counted |= first & races.from_start
        home = torch.where(first, races.time_ms, home)
    assert 0 < int(counted.sum()) < 24
    again = [
        redrive(env.track, per_tick(torch.stack(actions)[:, car], 5, env.action_delay_ticks)).time_ms
        for car in range(24)
    ]
    assert all(again[car] == home[car] for car in torch.nonzero(counted)[:, 0].tolist())


def test_a_single_car_draws_its_delay_in_every_race() -> None:
    env = gymnasium.make("btr_tm/Oval-v0", image_size=(0, 0), action_delay_ticks=[0, 4]).unwrapped
    drawn = set()
    for seed in range(20):
        env.reset(seed=seed)
        drawn.add(int((env._drive.sim.queue != NO_ACTION).sum()))
    env.reset(options={"start": "canonical"})
    assert drawn == {0, 1, 2, 3, 4} and int((env._drive.sim.queue != NO_ACTION).sum()) == 2


def test_a_start_is_given_its_delay() -> None:
    start = simulator(3).starts.canonical(4)
    assert delayed(start, torch.tensor([0, 1, 2, 3])).queue.tolist() == [
        [-1, -1, -1], [3, -1, -1], [3, 3, -1], [3, 3, 3]
    ]  # fmt: skip


def test_files_of_keys_are_not_driven_where_any_race_is_late() -> None:
    with pytest.raises(UserError, match="env.action_delay_ticks=0, got 1"):
        ScriptedRaces(simulator([0, 1]))


@pytest.mark.parametrize(
    ("ticks", "sentence"),
    [
        ([4, 0], "begin with the shorter delay, got \\[4, 0"),
        ([0, 1001], "from 0 to 1000, got"),
        (-1, "from 0 to 1000, got -1"),
        ([1], "two such as"),
        ([0, 2, 4], "two such as"),
        (2.5, "two such as"),
        ("ab", "two such as"),
        (True, "two such as"),
        (None, "two such as"),
    ],
)
def test_other_delays_are_refused_in_a_sentence(ticks: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=rf"env.action_delay_ticks must .*{sentence}"):
        delays_of(ticks)
