"""Linesight's replay written from its description, race by race, in float64 numbers of the host."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from .helpers import Row

DECISIONS = 140


class Stored(NamedTuple):
    """One transition: what is known when a race is put into the replay."""

    frame: int
    n: int
    cumulative: list[float]  # R[k] = sum over j <= k of gamma^j r
    powers: list[float]  # gamma^1, gamma^2, ...
    terminal_actions: float


@dataclass(frozen=True)
class Filler:
    """Stores the transitions of a race; `drops_finish` as the published runs, whose last row was cut off."""

    n_max: int
    cut: bool
    drops_finish: bool = False

    def __call__(self, race: list[Row], gamma: float) -> list[Stored]:
        """`race` holds every decision of one race, `reward` being that into the row behind it."""
        finished = race[-1].terminated
        rows = len(race) + 1 - (finished and self.drops_finish)
        found = []
        for i in range(rows - 1):
            n = min(self.n_max, rows - 1 - i)
            for j in range(1, n):
                if self.cut and not race[i + j].greedy:
                    n = j
                    break
            cumulative = [sum(gamma**j * race[i + j].reward for j in range(k + 1)) for k in range(n)]
            powers = [gamma ** (k + 1) for k in range(n)]
            left = float(rows - 1 - i) if finished else math.inf
            found.append(Stored(race[i].frame, n, cumulative, powers, left))
        return found


def collate(stored: Stored, t: int, phi: float, next_phi: float) -> tuple[float, float, int]:
    """Reward, discount and next clock of a transition that is sampled at mini-race clock `t`."""
    n_used = stored.n - max(0, t + stored.n - DECISIONS)
    terminal = n_used >= stored.terminal_actions or t + stored.n >= DECISIONS
    discount = 0.0 if terminal else stored.powers[n_used - 1]
    reward = stored.cumulative[n_used - 1] + (0.0 if terminal else discount * next_phi) - phi
    return reward, discount, t + stored.n
