"""The doctor for a game in a window, which finds what is wrong with a stand-in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest

from btr_tm.game.doctor.desktop import LINKS, Bench
from btr_tm.game.doctor.diagnosis import Answer, diagnose
from tests.envs.desktop.standin import FakeGame, desktop


def looked_at(game: FakeGame, **options: int) -> dict[str, tuple[Answer, str]]:
    env = desktop(game, **options)
    bench = Bench(env.racing, game.timer)
    return {
        verdict.name: (verdict.answer, f"{verdict.found} {verdict.fix}") for verdict in diagnose(LINKS, bench)
    }


def test_a_game_that_works_is_well_in_every_link() -> None:
    game = FakeGame()
    found = looked_at(game)
    assert {answer for answer, _ in found.values()} == {Answer.OK}, found
    assert "100 records a second, with the clock" in found["telemetry"][1]
    assert "ms until a key is in the telemetry (longest 10)" in found["delay"][1]
    assert "until the car is seen to move" in found["delay"][1]
    assert "0 missed" in found["punctual"][1] and not any(game.world.held)


FAULTS: dict[str, tuple[Callable[[FakeGame], object], str]] = {
    "window": (lambda game: setattr(game, "place", game.place._replace(left=-5)), "sticks out"),
    "picture": (lambda game: setattr(game, "picture", bytes(64 * 48 * 4)), "windowed mode"),
    "telemetry": (lambda game: setattr(game, "silent", True), "stalled"),
    "restart": (lambda game: setattr(game, "only_respawns", True), "the restart 1 of 3"),
    "applied keys": (lambda game: setattr(game, "deaf", True), "accelerate: the game drives without"),
}


@pytest.mark.parametrize("link", FAULTS)
def test_the_first_broken_link_is_found(link: str) -> None:
    game = FakeGame()
    game.sleep(3)
    game.frozen = True  # shows `picture` where there is one
    FAULTS[link][0](game)
    found = looked_at(game)
    broken = [name for name, (answer, _) in found.items() if answer is Answer.BROKEN]
    assert broken == [link] and FAULTS[link][1] in found[link][1], found


STICK = (0.25, 0.5, 0.75, 1.0)


def test_a_pad_whose_steer_is_applied_as_meant_is_well() -> None:
    game = FakeGame()
    assert "a keyboard steers fully or not at all" in looked_at(game)["steering"][1]
    game = FakeGame()
    game.stick = STICK
    found = looked_at(game, steer_levels=2)
    assert found["steering"] == (Answer.OK, "applied as meant: -0.50, +0.50, -1.00, +1.00 "), found


def curved(sent: float) -> float:
    """A dead zone of 0.2, and more than in proportion after it."""
    way = max(0.0, (abs(sent) - 0.2) / 0.8) ** 1.5
    return way if sent > 0 else -way


def test_a_dead_zone_is_measured_and_the_stick_that_makes_up_for_it_is_named() -> None:
    game = FakeGame()
    game.stick, game.steering = STICK, curved
    answer, told = looked_at(game, steer_levels=4)["steering"]
    assert answer is Answer.BROKEN
    assert "applies a steer of -0.02 where -0.25 was meant, +0.02 where +0.25 was meant" in told
    named = re.search(r"env.game.controls.stick=\[(.*?)\]", told)
    assert named is not None, told
    game = FakeGame()
    game.stick, game.steering = tuple(map(float, named[1].split(","))), curved
    answer, told = looked_at(game, steer_levels=4)["steering"]
    assert answer is Answer.OK, told


def test_a_game_that_does_not_know_quarters_is_told_in_one_sentence() -> None:
    game = FakeGame()
    game.stick, game.steering = STICK, lambda sent: math.copysign(abs(sent) > 0.5, sent)
    answer, told = looked_at(game, steer_levels=4)["steering"]
    assert answer is Answer.BROKEN and "it does not steer by every quarter" in told and "dead zone" in told
