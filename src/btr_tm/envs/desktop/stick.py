"""Where a stick must be for a game to steer by a part of the way, whatever its dead zone and sensitivity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.race import actions

NEARLY = 0.05  # of the way: as good as there
QUARTERS = actions.ways(actions.QUARTERS)  # of the way, to either side
JUMP = 0.3  # of the way, between two places of a stick next to each other: the game knows nothing between


def check(stick: Sequence[float]) -> None:
    """UserError unless they are four rising places of a stick."""
    numbers = isinstance(stick, Sequence) and all(isinstance(place, int | float) for place in stick)
    if not numbers or len(stick) != len(QUARTERS) or not _rise((0.0, *stick, 1.0)):
        raise UserError(
            "env.game.controls.stick must be four rising numbers, above 0 and at most 1, such as "
            f"{list(QUARTERS)}, got {stick}"
        )


def _rise(places: Sequence[float]) -> bool:
    *inner, last = places
    return all(low < high for low, high in zip(inner, inner[1:], strict=False)) and inner[-1] <= last


def position(steer: float, stick: Sequence[float]) -> float:
    """Of the stick, from -1 to 1, for the game to steer by `steer`: linear between its four places."""
    return float(np.sign(steer) * np.interp(abs(steer), (0.0, *QUARTERS), (0.0, *stick)))


def inverse(places: Sequence[float], applied: Sequence[float]) -> tuple[float, ...] | None:
    """The stick for what a game `applied` at rising `places`; None if it does not steer by every quarter."""
    there = np.concatenate([[0.0], places])
    most = np.maximum.accumulate(np.concatenate([[0.0], applied]))
    found = []
    for quarter in QUARTERS:
        if most[-1] < quarter - NEARLY:
            return None
        after = int(np.argmax(most >= min(quarter, most[-1])))
        low, high = most[after - 1], most[after]
        if high - low > JUMP:
            return None
        share = (min(quarter, high) - low) / (high - low)
        found.append(round(float(there[after - 1] + share * (there[after] - there[after - 1])), 3))
    return tuple(found)
