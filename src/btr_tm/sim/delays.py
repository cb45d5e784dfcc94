"""How late actions reach a car: one delay for all races, or one that each race draws when it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.sim.physics.state import NO_ACTION, SimState

LONGEST_DELAY = 1000  # ticks: 10 s


@dataclass(frozen=True)
class Delays:
    """From `shortest` to `longest` ticks of 10 ms, both included, each as likely as the others."""

    shortest: int
    longest: int

    @property
    def canonical(self) -> int:
        """Of races whose times are compared: the middle, rounded down."""
        return (self.shortest + self.longest) // 2

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """One of each race, (count,) int64 on the CPU; `generator` lives there too."""
        return torch.randint(self.shortest, self.longest + 1, (count,), generator=generator)


def delays_of(ticks: int | Sequence[int]) -> Delays:
    """Of a number, or of a pair such as [0, 4]; UserError for anything else."""
    pair = (ticks, ticks) if isinstance(ticks, int) else tuple(ticks) if isinstance(ticks, Sequence) else ()
    whole = [end for end in pair if isinstance(end, int) and not isinstance(end, bool)]
    if len(pair) != 2 or len(whole) != 2:
        raise UserError(
            "env.action_delay_ticks must be a whole number, or two such as [0, 4] between which each race "
            f"draws its own, got {ticks!r:.80}"
        )
    shortest, longest = whole
    if shortest < 0 or longest > LONGEST_DELAY:
        raise UserError(f"env.action_delay_ticks must be from 0 to {LONGEST_DELAY}, got {ticks}")
    if shortest > longest:
        raise UserError(f"env.action_delay_ticks must begin with the shorter delay, got {ticks}")
    return Delays(shortest, longest)


def delayed(start: SimState, ticks: Tensor) -> SimState:
    """Cars that `start`, whose keys are `ticks` (E,) int64 under way, at most Q; no key is pressed yet."""
    places = torch.arange(start.queue.shape[1], device=start.queue.device)
    under_way = places < ticks.to(start.queue.device).unsqueeze(1)
    return start._replace(queue=torch.where(under_way, start.queue, NO_ACTION))
