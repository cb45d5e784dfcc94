"""The clipped horizon of Linesight: every sample is placed at a random moment of a race of seven seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.replay.horizon.segment import Return, Segment, n_step_return

CLOCK = 0  # element of the float vector, see core/floats.py


@dataclass(frozen=True)
class MiniRace:
    """Values are returns over the `decisions - clock` decisions to come, and nothing after them.

    The clock is drawn anew whenever a transition is sampled and written to the first float of both
    observations; a driver always acts at clock 0. It is t = max(0, |u| - oversample_max), u uniform in
    [oversample_max - oversample_long, decisions + oversample_max - 1]: the start of the mini-race comes up
    (2 oversample_max + 1) times as often as a late moment, the first `oversample_long - 2 oversample_max`
    decisions after it twice as often. Linesight has 7 s of decisions of 50 ms, 40 and 5.

    Raises UserError for a mini-race so short that the oversampled moments pass its end.
    """

    gamma: Callable[[int], float]
    clock: Clock
    duration_ms: int
    decision_ms: int
    oversample_long: int
    oversample_max: int
    needs_clock = True  # among the floats

    def __post_init__(self) -> None:
        least = max(self.oversample_long - 2 * self.oversample_max, 0) + 1
        if self.decisions < least:
            raise UserError(
                f"a mini-race must have at least {least} decisions of {self.decision_ms} ms, got "
                f"{self.decisions} in {self.duration_ms} ms; raise horizon.duration_ms or lower "
                "horizon.oversample_long"
            )

    @property
    def decisions(self) -> int:
        """Length of a mini-race."""
        return self.duration_ms // self.decision_ms

    @property
    def current_gamma(self) -> float:
        return self.gamma(self.clock.frames)

    def draw(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Mini-race clocks (B,) int64 in [0, decisions)."""
        first, last = self.moments
        u = torch.randint(first, last + 1, (batch_size,), generator=generator, device=generator.device)
        return self.clock_of(u)

    @property
    def moments(self) -> tuple[int, int]:
        """First and last of the equally likely numbers that clocks are made of."""
        return self.oversample_max - self.oversample_long, self.decisions + self.oversample_max - 1

    def clock_of(self, moment: Tensor) -> Tensor:
        """Decisions since the start of the mini-race."""
        return (moment.abs() - self.oversample_max).clamp(min=0)

    def __call__(self, segment: Segment, generator: torch.Generator) -> Return:
        """The return up to the end of the mini-race; rewards beyond it do not count."""
        return self.at(self.draw(len(segment.length), generator), segment)

    def at(self, clock: Tensor, segment: Segment) -> Return:
        """The return of segments that begin at `clock` (B,)."""
        left = self.decisions - clock
        steps = torch.arange(segment.rewards.shape[1], device=clock.device)
        inside = steps < torch.minimum(left, segment.length)[:, None]
        over = segment.terminated | (segment.length >= left)
        end = clock + segment.length
        return n_step_return(segment, inside, over, clock.float(), end.float())

    def write_clock(self, floats: Tensor, clock: Tensor) -> Tensor:
        """Write the clock into the floats (B, F), in place."""
        floats[:, CLOCK] = clock
        return floats
