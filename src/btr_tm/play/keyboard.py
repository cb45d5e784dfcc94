"""From keys that go down and up to the row of the action table that drives the next tick."""

from __future__ import annotations

from functools import cache

import torch

from btr_tm.race.actions import KEYS, rows

LEFT, RIGHT = KEYS.index("left"), KEYS.index("right")


class Keyboard:
    """The four keys of a driver; keys are numbered as in race.actions.KEYS.

    Of left and right the one that went down last counts. A key that went down and up between two ticks is
    held for one tick, so that no tap is lost.
    """

    def __init__(self) -> None:
        self._held: list[int] = []  # in the order in which they went down
        self._tapped: list[int] = []  # since the last tick

    def press(self, key: int) -> None:
        """Hold a key."""
        if key not in self._held:
            self._held.append(key)
            self._tapped.append(key)

    def release(self, key: int) -> None:
        """Let go of a key."""
        if key in self._held:
            self._held.remove(key)

    def release_all(self) -> None:
        """As if nobody touched the keyboard."""
        self._held.clear()
        self._tapped.clear()

    def take(self) -> int:
        """Row of race.actions.TABLE for the next tick."""
        down = [key for key in self._tapped if key not in self._held] + self._held
        self._tapped.clear()
        steering = [key for key in down if key in (LEFT, RIGHT)][-1:]
        return _row(frozenset(steering + [key for key in down if key not in (LEFT, RIGHT)]))


@cache
def _row(held: frozenset[int]) -> int:
    return int(rows(torch.tensor([key in held for key in range(len(KEYS))])))
