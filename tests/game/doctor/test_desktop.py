"""The doctor for a game in a window, which finds what is wrong with a stand-in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from btr_tm.game.doctor.desktop import LINKS, Bench
from btr_tm.game.doctor.diagnosis import Answer, diagnose
from tests.envs.desktop.standin import FakeGame, desktop


def looked_at(game: FakeGame, **options: bool) -> dict[str, tuple[Answer, str]]:
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


def test_a_pad_whose_steer_is_applied_as_sent_is_well() -> None:
    game = FakeGame()
    assert "a keyboard steers fully or not at all" in looked_at(game)["steering"][1]
    game = FakeGame()
    game.stick = 1.0
    found = looked_at(game, half_steer=True)
    assert found["steering"] == (Answer.OK, "applied as sent: -1.00, +1.00, -0.50, +0.50 "), found


def test_a_game_with_a_dead_zone_is_told_in_one_sentence() -> None:
    game = FakeGame()
    game.stick, game.steering = 1.0, lambda sent: sent if abs(sent) > 0.5 else 0.3 * sent
    answer, told = looked_at(game, half_steer=True)["steering"]
    assert answer is Answer.BROKEN
    assert "applies a steer of -0.15 where -0.50 was sent, +0.15 where +0.50 was sent" in told
    assert "dead zone" in told
