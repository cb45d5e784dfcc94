"""One race as it was driven, decision by decision."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Race(NamedTuple):
    """One recorded race; T decisions of one action or K, out of A."""

    actions: Tensor  # (T,) int64, row of the action table per decision, or (T, K)
    finished: bool
    time_ms: int
    progress_m: float
    frames: int  # training frames of the policy that drove it
    q: Tensor = torch.zeros(0, 0)  # (T, A) or (T, K, A), action values
    metres: Tensor = torch.zeros(0)  # (T,) furthest metre so far, after each decision
    rewards: Tensor = torch.zeros(0)  # (T,) of each decision, without shaping
    potentials: Tensor = torch.zeros(0)  # (T + 1,) Phi of each state on the way, 0 at a true end
    exploring: bool = False  # driven in training, not in an evaluation

    def rank(self) -> tuple[bool, float]:
        """Larger is better: finished before unfinished, then faster, or farther."""
        return (self.finished, -self.time_ms if self.finished else self.progress_m)

    @property
    def origin(self) -> str:
        """Where it was driven, in words."""
        if self.exploring:
            return f"training at {self.frames:,} frames, while exploring"
        return f"evaluation at {self.frames:,} frames"


NO_RACE = Race(torch.zeros(0, dtype=torch.int64), False, 0, -math.inf, 0)  # every race beats it
