"""Where a stick must be for a game to steer by a part of the way."""

from __future__ import annotations

import numpy as np
import pytest

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.stick import QUARTERS, check, inverse, position

STICK = (0.3, 0.5, 0.6, 0.9)
PLACES = [number / 20 for number in range(1, 21)]


def test_between_its_places_a_stick_goes_in_straight_lines() -> None:
    assert [position(steer, STICK) for steer in QUARTERS] == pytest.approx(STICK)
    assert position(0.0, STICK) == 0.0 and position(-0.5, STICK) == -0.5
    assert position(0.625, STICK) == pytest.approx(0.55) and position(-0.125, STICK) == pytest.approx(-0.15)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("dead", [0.0, 0.05, 0.3])
def test_what_a_game_applies_at_the_places_found_is_what_was_meant(power: float, dead: float) -> None:
    def applies(place: float) -> float:
        return max(0.0, (place - dead) / (1 - dead)) ** power

    found = inverse(PLACES, [applies(place) for place in PLACES])
    assert found is not None and np.allclose([applies(place) for place in found], QUARTERS, atol=0.05)
    check(found)


def test_a_game_that_knows_straight_and_all_only_has_no_stick_for_quarters() -> None:
    assert inverse(PLACES, [float(place > 0.4) for place in PLACES]) is None


@pytest.mark.parametrize("most", [0.5, 0.9])
def test_a_game_that_never_steers_fully_has_no_stick_for_it(most: float) -> None:
    assert inverse(PLACES, [most * place for place in PLACES]) is None


@pytest.mark.parametrize(
    "stick",
    [(0.5,), (0.0, 0.1, 0.2, 0.3), (0.5, 0.4, 0.6, 1.0), (0.1, 0.2, 0.3, 1.1), 0.5, ("a", "b", "c", "d")],
)
def test_a_stick_that_does_not_rise_is_refused(stick: object) -> None:
    with pytest.raises(UserError, match="env.game.controls.stick must be four rising numbers"):
        check(stick)  # type: ignore[arg-type]
