"""Races in a game that never waits: begun, driven to the finish, lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from btr_tm.core.errors import RaceLost, UserError
from btr_tm.envs.desktop.estimate import CarEstimate
from btr_tm.envs.desktop.protocols import Reading
from btr_tm.race.features import Features
from btr_tm.race.progress import CutOffs
from btr_tm.sim.scripted_driver import Driver
from btr_tm.sim.track.load import load_track
from btr_tm.sim.world import World

from .standin import LIMITS, FakeGame, desktop

GAS, NO_KEY = torch.tensor([0]), torch.tensor([3])


@pytest.fixture(scope="module")
def driver() -> Driver:
    return Driver(World(load_track("oval"), ticks_per_action=5))


def test_a_scripted_driver_drives_to_the_finish_and_on(driver: Driver) -> None:
    game, said = FakeGame(), []
    env = desktop(game, said=said)
    obs, _ = env.reset()
    assert obs.image.shape == (1, 1, 24, 32) and obs.image.float().std() > 1
    rewards, decisions, terminated = torch.zeros(1), 0, False
    while not terminated:
        obs, reward, terminated, truncated, info = env.step(driver(game.world._sim))
        rewards, decisions = rewards + reward, decisions + 1
        assert not truncated
    races = info["races"]
    assert bool(races.finished) and bool(races.done) and torch.allclose(races.reward, rewards)
    assert abs(int(races.time_ms) - 50 * decisions) <= 60
    assert game.taps == ["restart", "confirm", "restart"]  # the next race has begun
    assert not game.finished and game.world.time_ms < 100
    env.step(GAS)
    env.close()
    assert not any(game.world.held) and f"{decisions:,} decisions, 0 missed: late" in said[-1]


@pytest.mark.parametrize(("pace", "clock"), [("race", True), ("wall", False)])
def test_decisions_last_50_ms_by_whatever_clock_there_is(pace: str, clock: bool, driver: Driver) -> None:
    game = FakeGame(clock=clock)
    env = desktop(game, pace)
    env.reset()
    began_ms = game.world.time_ms
    assert 0 < began_ms < 100
    for decisions in range(1, 41):
        *_, info = env.step(driver(game.world._sim))
        assert game.world.time_ms == began_ms + 50 * decisions
        assert int(info["races"].time_ms) == 50 * decisions + (began_ms if clock else 0)
    assert float(info["races"].progress_m) > 3
    assert env.step(GAS)[0].floats[0, -2] > 15  # whatever the telemetry lacks, the line ahead is known


def test_the_car_of_full_telemetry_is_that_of_the_simulator(driver: Driver) -> None:
    game, estimate = FakeGame(), CarEstimate(torch.tensor([1.0, 0.0, 0.0]))
    game.sleep(3)
    for _ in range(60):
        game.world.held = (True, False, False, True)
        game.tick()
        car, expected = estimate(game.latest()), game.world._world.instruments(game.world._sim)
        for name in ("position", "rotation", "velocity", "gear", "rpm"):
            assert torch.allclose(getattr(car, name), getattr(expected, name), atol=1e-4), name
    assert torch.allclose(car.angular_velocity, expected.angular_velocity, atol=0.1)
    assert car.angular_velocity.norm() > 0.05


def test_a_car_without_a_direction_in_its_telemetry_looks_where_it_goes() -> None:
    game, estimate = FakeGame(clock=False), CarEstimate(torch.tensor([1.0, 0.0, 0.0]))
    assert torch.equal(estimate(game.latest()).rotation[0, :, 2], torch.tensor([1.0, 0.0, 0.0]))
    game.world.held = (True, False, False, False)
    game.sleep(5)
    estimate(game.latest())
    game.tick()
    car, expected = estimate(game.latest()), game.world._world.instruments(game.world._sim)
    assert torch.allclose(car.velocity, expected.velocity, atol=0.1) and expected.velocity.norm() > 10
    assert torch.allclose(car.rotation, expected.rotation, atol=0.05)


def test_drivers_who_ask_for_it_see_how_late_their_last_action_was() -> None:
    game = FakeGame()
    env = desktop(game, features=Features(action_delay=True), key_delay_ms=9.0)
    assert env.reset()[0].floats[0, -1] == pytest.approx(0.009)
    for ticks in (0, 3, 1):
        game.sleep(ticks * 0.01)  # while the policy thinks
        assert env.step(GAS)[0].floats[0, -1] == pytest.approx(ticks * 0.01 + 0.009)
    assert desktop(FakeGame()).layout.size == env.layout.size - 1
    with pytest.raises(UserError, match="env.key_delay_ms must be 0 or more, got -1"):
        desktop(FakeGame(), key_delay_ms=-1.0)


FAULTS: dict[str, tuple[Callable[[FakeGame], object], str]] = {
    "silent": (lambda game: setattr(game, "silent", True), "the telemetry has said nothing for"),
    "deaf": (lambda game: setattr(game, "deaf", True), "drives with accelerate though it is not held"),
    "frozen": (lambda game: setattr(game, "frozen", True), "the picture has been the same for"),
    "moved": (lambda game: setattr(game, "place", game.place._replace(left=0)), "was at 64 x 48"),
    "slow": (lambda game: game.sleep(0.4), "a decision came 350 ms late"),
    "other map": (lambda game: game.end(), "shows a finish after"),
    "restarted by hand": (lambda game: game.world.give_up(), "the race is at 0 ms, and was at 1,"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_voids_the_race_and_the_next_one_begins(fault: str) -> None:
    game, said = FakeGame(), []
    env = desktop(game, said=said)
    env.reset()
    for _ in range(20):
        env.step(GAS)
    happens, words = FAULTS[fault]
    happens(game)
    with pytest.raises(RaceLost, match=words):
        for _ in range(12):
            env.step(NO_KEY)
    assert env.lost_races == 1 and words in said[0] and game.closed and not game.ours
    with pytest.raises(RaceLost, match="was lost"):
        env.step(GAS)
    game.silent = game.deaf = game.frozen = False
    env.reset()
    env.step(GAS)
    assert game.ours and game.opened == 2 and len(said) == 1


def test_a_race_that_never_begins_is_an_error_that_says_why() -> None:
    game = FakeGame()
    game.world.give_up()
    game.sleep(3)  # in a race
    game.only_respawns = True
    with pytest.raises(
        UserError, match=r"2 times in a row: the race did not begin anew after the restart key"
    ):
        desktop(game).reset()
    assert not any(game.world.held)


def test_whatever_takes_long_the_first_time_is_done_before_the_first_race() -> None:
    game = FakeGame()
    env, opened = desktop(game), []
    observe, judge = env._observe, env._judge
    env._observe = lambda *words: opened.append(("seen", game.opened)) or observe(*words)
    env._judge = lambda *words: opened.append(("judged", game.opened)) or judge(*words)
    env.reset()
    assert ("judged", 0) in opened and ("seen", 0) in opened
    count = len(opened)
    env.reset()
    assert len(opened) == count  # once is enough
    env.step(GAS)
    assert opened[-1] == ("judged", 1)


def test_a_record_that_is_due_is_waited_for_at_the_end_of_a_limit_too() -> None:
    """Or else it would be said that the telemetry stalled."""

    class Patient(FakeGame):
        def after(self, number: int, limit_s: float) -> Reading:
            assert limit_s >= LIMITS.stall_s
            return super().after(number, limit_s)

    game = Patient()
    game.sleep(3)
    game.only_respawns = True
    with pytest.raises(UserError, match="the race did not begin anew"):
        desktop(game).reset()


def test_a_race_without_progress_is_cut_and_an_evaluation_then_rests() -> None:
    game = FakeGame()
    env = desktop(game, cut_offs=CutOffs(race_ms=300_000, no_progress_ms=500))
    env.reset(options={"start": "evaluation"})
    for _ in range(30):
        *_, terminated, truncated, info = env.step(NO_KEY)
        assert not terminated
        if truncated:
            break
    assert bool(info["races"].done) and 500 < int(info["races"].time_ms) <= 1200
    assert not game.ours  # others may drive
    now_s, (*_, info) = game.now_s, env.step(GAS)
    assert not bool(info["races"].done) and not any(game.world.held) and game.now_s == now_s
    env.reset()
    assert game.taps == ["restart", "restart"]


def test_a_race_waits_until_somebody_clicks_into_the_window() -> None:
    game, said = FakeGame(), []
    env = desktop(game, said=said)
    game.elsewhere = True
    looks = []
    asks, game.reaches_game = game.reaches_game, lambda: looks.append(0) or asks()
    wait, game.sleep = game.sleep, lambda s: (wait(s), setattr(game, "elsewhere", len(looks) < 5))
    env.racing._sleep = game.sleep
    env.reset()
    assert "click into" in said[0] and game.taps == ["restart"] and len(looks) >= 5
    game.elsewhere = True
    env.racing._sleep = wait
    with pytest.raises(UserError, match="nobody clicked"):
        env.reset()
    env.close()


def test_what_is_missing_is_found_before_the_first_race() -> None:
    game = FakeGame()
    env = desktop(game)
    env.check_ready()
    assert game.opened == 1 and game.closed and not game.taps
    game = FakeGame()
    game.silent = True
    with pytest.raises(UserError, match="stalled"):
        desktop(game).check_ready()
    assert game.closed


def test_who_rests_lets_others_drive_and_listen() -> None:
    game = FakeGame()
    env = desktop(game)
    env.reset()
    closed = game.closed
    env.racing.rest()
    assert not game.ours and game.closed == closed + 1  # telemetry has one listener at a time
    env.reset()
    assert game.ours and game.opened == 1 and game.taps == ["restart"] * 2
    env.step(GAS)
    env.close()
    assert not game.ours


def test_a_worker_that_waits_for_the_learner_keeps_nobody_from_driving() -> None:
    game, said = FakeGame(), []
    env = desktop(game, said=said)
    env.reset()
    env.step(GAS)
    env.pause()
    env.pause()
    assert not game.ours and not any(game.world.held)
    with pytest.raises(RaceLost):
        env.step(GAS)
    assert "the learner was busy" in said[-1] and not game.ours
    env.reset()
    env.step(GAS)
    env.close()


def test_a_pad_holds_parts_of_left_where_a_driver_may_and_a_keyboard_is_refused() -> None:
    game = FakeGame()
    game.stick = (0.25, 0.5, 0.75, 1.0)
    env = desktop(game, steer_levels=4)
    assert env.actions == 36
    env.reset()
    for action, ways in (
        (12, (1, 0, 0.5, 0)),
        (19, (1, 1, 0, 0.5)),
        (35, (1, 1, 0, 0.75)),
        (1, (1, 0, 1, 0)),
    ):
        env.step(torch.tensor([action]))
        assert game.ways == ways
    with pytest.raises(UserError, match="from 0 to 11"):
        plain = desktop(FakeGame())
        plain.reset()
        plain.step(torch.tensor([12]))
    with pytest.raises(UserError, match="a key steers fully or not at all"):
        desktop(FakeGame(), steer_levels=4).check_ready()
