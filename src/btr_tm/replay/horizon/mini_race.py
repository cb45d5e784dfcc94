"""The clipped horizon of Linesight: every sample is a moment of a made-up race of seven seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.replay.horizon.discounted import powers
from btr_tm.replay.horizon.segment import Return, Segment

CLOCK = 0  # element of the float vector, see core/floats.py


@dataclass(frozen=True)
class MiniRace:
    """Values are returns over the `decisions - clock` decisions to come, and nothing after them.

    The clock is drawn anew whenever a transition is sampled and written to the first float of both
    observations; a driver always acts at clock 0. It is t = max(0, |u| - oversample_max), u uniform in
    [oversample_max - oversample_long, decisions + oversample_max - 1]: the start of the mini-race comes up
    (2 oversample_max + 1) times as often as a late moment, the first `oversample_long - oversample_max`
    decisions twice as often. Defaults are those of Linesight: 140 decisions of 50 ms, 40, 5.
    """

    gamma: Callable[[int], float]
    clock: Clock
    decisions: int = 140
    oversample_long: int = 40
    oversample_max: int = 5

    def draw(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Mini-race clocks (B,) int64 in [0, decisions)."""
        lowest = self.oversample_max - self.oversample_long
        highest = self.decisions + self.oversample_max - 1
        device = generator.device
        u = torch.randint(lowest, highest + 1, (batch_size,), generator=generator, device=device)
        return (u.abs() - self.oversample_max).clamp(min=0)

    def __call__(self, segment: Segment, generator: torch.Generator) -> Return:
        """The return up to the end of the mini-race; rewards beyond it do not count."""
        return self.at(self.draw(len(segment.length), generator), segment)

    def at(self, clock: Tensor, segment: Segment) -> Return:
        """The return of segments that begin at `clock` (B,)."""
        gamma = self.gamma(self.clock.frames)
        left = self.decisions - clock
        weights = powers(gamma, segment.rewards.shape[1], torch.minimum(segment.length, left))
        over = segment.terminated | (segment.length >= left)
        discount = torch.where(over, 0.0, torch.pow(gamma, segment.length))
        shaping = discount * segment.next_potential - segment.potential
        end = clock + segment.length
        reward = (segment.rewards * weights).sum(1) + shaping
        return Return(reward, discount, clock.float(), end.float(), weights)

    def stamp(self, floats: Tensor, clock: Tensor) -> Tensor:
        """Write the clock into the floats (B, F), in place."""
        floats[:, CLOCK] = clock
        return floats
