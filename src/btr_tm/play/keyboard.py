"""From keys that go down and up to the row of the action table that drives the next tick."""

from __future__ import annotations

from functools import cache

import torch

from btr_tm.race.actions import KEYS, rows

LEFT, RIGHT = KEYS.index("left"), KEYS.index("right")


class Keyboard:
    """The four keys of a driver; keys are numbered as in race.actions.KEYS.

    Several may hold a key, as a keyboard and a pad do; it is up again when the last of them has let go. Of
    left and right the one that went down last counts. A key that went down and up between two ticks is held
    for one tick, so that no tap is lost.
    """

    def __init__(self) -> None:
        self._held: list[int] = []  # in the order in which they went down
        self._tapped: list[int] = []  # since the last tick
        self._last: dict[int, float] = {}  # how far each key was pressed last
        self._ways: dict[int, dict[object, float]] = {key: {} for key in range(len(KEYS))}  # by who holds it

    def press(self, key: int, way: float = 1.0, by: object = None) -> None:
        """Hold a key; left and right by a part of their `way` too, as a stick may."""
        if not self._ways[key]:
            self._held.append(key)
            self._tapped.append(key)
        self._ways[key].pop(by, None)
        self._ways[key][by] = way  # last, so that it counts
        self._last[key] = way

    def release(self, key: int, by: object = None) -> None:
        """Let go of a key; nothing happens if somebody else holds it."""
        if self._ways[key].pop(by, None) is not None and not self._ways[key]:
            self._held.remove(key)

    def release_all(self, by: object = None) -> None:
        """Let go of all keys that `by` holds, and forget all taps."""
        self._tapped.clear()
        for key in range(len(KEYS)):
            self.release(key, by)

    def take(self) -> int:
        """Row of race.actions.ALL_ROWS for the next tick."""
        down = [key for key in self._tapped if key not in self._held] + self._held
        self._tapped.clear()
        steering = [key for key in down if key in (LEFT, RIGHT)][-1:]
        pedals = [key for key in down if key not in (LEFT, RIGHT)]
        return _row(frozenset(steering + pedals), self._way(steering[0]) if steering else 1.0)

    def _way(self, key: int) -> float:
        """How far a key is held, or was when it went down and up between two ticks."""
        return next(reversed(self._ways[key].values()), self._last[key])


@cache
def _row(held: frozenset[int], way: float) -> int:
    ways = [way if key in (LEFT, RIGHT) else 1.0 for key in range(len(KEYS))]
    return int(rows(torch.tensor([way if key in held else 0.0 for key, way in enumerate(ways)])))
